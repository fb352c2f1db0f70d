#pragma once

#include "kernels/cpu/convolution_direct.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/product_pack.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// gw = gy panel(x)^T, summed over all output points of the batch, for large kernels on few channels, whose panel has
/// many times the elements of x. No panel is packed: gy is turned, so that a vector holds the gradients of output
/// channels at a point, and multiplied by elements of x that are broadcast from where they lie in a padded copy.
class BroadcastWeightGradient {
 public:
  BroadcastWeightGradient(const ConvolutionShape& s, const PatchGather& gather, const float* x, const float* gy,
                          float* gw)
      : groups_(s.groups),
        source_(gather, s.groups, x, 1),
        gy_(gy),
        gw_(gw),
        rows_(s.channels_out / s.groups),
        columns_(gather.channels / s.groups * gather.taps),
        plane_(gather.point_count()),
        places_(plane_) {
    const int64_t width = gather.points[2];
    for (int64_t i = 0; i < plane_; i++) {
      const int64_t line = i / width;
      places_.get()[i] = source_.at(line / gather.points[1], line % gather.points[1], i % width);
    }
    block_rows_ = ceil_div(ceil_div(rows_, ceil_div(rows_, most_rows)), L) * L;
    row_blocks_ = ceil_div(rows_, block_rows_);
    const int64_t wanted = ceil_div(enough_items, s.groups * row_blocks_);
    const int64_t fewest = ceil_div(plane_, most_points), most = ceil_div(plane_, least_points);
    chunks_ = smaller_of(larger_of(fewest, ceil_div(wanted, s.batch)), most);
    chunk_ = ceil_div(plane_, chunks_);
    chunks_ = ceil_div(plane_, chunk_);
    all_chunks_ = s.batch * chunks_;
    slices_ = smaller_of(wanted, all_chunks_);
  }

  /// Whether this beats packing panels, of `columns` elements for each point, where gy has `rows` and the copy of x
  /// only a few.
  static bool gains(const ConvolutionShape& s, const PatchGather& gather) {
    constexpr int64_t least_taps = 16, least_columns = 64, saved = 4, most_sums = 1 << 17;
    const int64_t rows = s.channels_out / s.groups, columns = s.channels_in / s.groups * gather.taps;
    const int64_t points = gather.point_count(), block_rows = smaller_of(ceil_div(rows, L) * L, most_rows);
    return gather.taps >= least_taps && columns >= larger_of(rows, least_columns) && columns * block_rows < most_sums &&
           points >= least_points && saved * gather.source_size() <= gather.taps * points;
  }

  void run() const {
    const int64_t size = groups_ * rows_ * columns_;
    Scratch<float> partial(slices_ > 1 ? slices_ * size : 0);
    parallel_for(groups_ * row_blocks_ * slices_, 1, [&](int64_t begin, int64_t end) {
      Scratch<float> turned(chunk_ * sliver(block_rows_)), sums(columns_ * block_rows_);
      for (int64_t item = begin; item < end; item++) {
        const int64_t slice = item % slices_;
        compute(item / slices_, slice, turned.get(), sums.get(), slices_ > 1 ? partial.get() + slice * size : gw_);
      }
    });
    if (slices_ > 1) add_up_slices(static_cast<const float*>(partial.get()), slices_, size, gw_);
  }

 private:
  static constexpr int64_t L = lanes<float>, most_rows = 64;
  // Points are cut into chunks, enough to be worth reading and writing the sums, and slices of these have sums of their
  // own: how many there are does not depend on the number of threads.
  static constexpr int64_t least_points = 128, most_points = 800, enough_items = 8;
  // Four vectors of rows take a tile of six columns, for 24 chains of multiply-adds as three vectors have with eight.
  static constexpr int64_t widest = ONDOL_VECTOR_BYTES == 64 ? 4 : 2;

  static int64_t larger_of(int64_t a, int64_t b) { return a > b ? a : b; }

  /// The width of a sliver of turned rows when `rest` are left.
  static int64_t sliver(int64_t rest) { return L * smaller_of(ceil_div(rest, L), widest); }

  /// The gradient of some rows of gw from the chunks of a slice.
  void compute(int64_t block, int64_t slice, float* turned, float* sums, float* gw) const {
    const int64_t group = block / row_blocks_, first = block % row_blocks_ * block_rows_;
    const int64_t rows = smaller_of(block_rows_, rows_ - first), channel = group * rows_ + first;
    const int64_t begin = slice * all_chunks_ / slices_, end = (slice + 1) * all_chunks_ / slices_;
    for (int64_t i = begin; i < end; i++) {
      const int64_t image = i / chunks_, from = i % chunks_ * chunk_, count = smaller_of(chunk_, plane_ - from);
      const float* gy = gy_ + (image * groups_ * rows_ + channel) * plane_ + from;
      for (int64_t r = 0, width; r < rows; r += width) {
        width = sliver(rows - r);
        pack_sliver({gy + r * plane_, 1, plane_}, count, smaller_of(width, rows - r), turned);
        add(source_.of(image, group), places_.get() + from, count, turned, width, i > begin, sums + r * columns_);
      }
    }
    for (int64_t r = 0, width; r < rows; r += width) {
      width = sliver(rows - r);
      for (int64_t v = 0; v < smaller_of(width, rows - r); v++)
        for (int64_t c = 0; c < columns_; c++)
          gw[(channel + r + v) * columns_ + c] = sums[r * columns_ + c * width + v];
    }
  }

  /// sums [columns, width] = or += the products of all columns with a turned sliver.
  void add(const float* x, const int64_t* places, int64_t count, const float* turned, int64_t width, bool adds,
           float* sums) const {
    const auto all = [&]<int most, int vectors>() {
      for (int64_t c = 0; c < columns_;) {
        const int64_t rest = columns_ - c;
        // The last two tiles share their columns, so that none has so few that the multipliers wait.
        const int64_t columns = rest > most && rest < 2 * most ? (rest + 1) / 2 : smaller_of(most, rest);
        const auto tile_of = [&]<int... fewer>(std::integer_sequence<int, fewer...>) {
          ((columns == fewer + 1
                ? tile<fewer + 1, vectors>(x, source_.offsets() + c, places, count, turned, adds, sums + c * width)
                : void()),
           ...);
        };
        tile_of(std::make_integer_sequence<int, most>());
        c += columns;
      }
    };
    if (width == L) all.template operator()<8, 1>();
    if (width == 2 * L) all.template operator()<tile_rows, 2>();
    if constexpr (widest == 4) {
      if (width == 3 * L) all.template operator()<8, 3>();
      if (width == 4 * L) all.template operator()<6, 4>();
    }
  }

  template <int columns, int vectors>
  [[gnu::noinline]] void tile(const float* x, const int64_t* offsets, const int64_t* places, int64_t count,
                              const float* turned, bool adds, float* to) const {
    const float* from[columns];
    for (int c = 0; c < columns; c++) from[c] = x + offsets[c];
    Vec<float> sum[columns][vectors];
#pragma GCC unroll 8
    for (int c = 0; c < columns; c++) {
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) sum[c][v] = Vec<float>{};
    }
    for (int64_t i = 0; i < count; i++, turned += vectors * L) {
      const int64_t place = places[i];
      Vec<float> right[vectors];
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) right[v] = load(turned + v * L);
#pragma GCC unroll 8
      for (int c = 0; c < columns; c++) {
        const Vec<float> left = broadcast(from[c][place]);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[c][v] += left * right[v];
      }
    }
#pragma GCC unroll 8
    for (int c = 0; c < columns; c++) {
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++, to += L) store(to, adds ? load(to) + sum[c][v] : sum[c][v]);
    }
  }

  int64_t groups_;
  PaddedSource<float> source_;
  const float* gy_;
  float* gw_;
  int64_t rows_, columns_, plane_, block_rows_, row_blocks_;
  int64_t chunk_, chunks_, all_chunks_, slices_;  // points of a chunk; chunks of an image and of the batch
  Scratch<int64_t> places_;                       // where each point of an image is read
};

}  // namespace ondol::kernel::ONDOL_LEVEL
