#pragma once

#include "kernels/cpu/convolution_direct.h"
#include "kernels/cpu/convolution_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// gw = gy panel(x)^T, summed over all output points of the batch, without a panel: register tiles of output channels
/// and columns (input channel, tap) run over the points, a vector of them at a time. Where tiles of columns are few,
/// the batch is cut into slices, each with sums of its own: their number does not depend on that of threads.
template <class T>
class DirectWeightGradient {
 public:
  DirectWeightGradient(const ConvolutionShape& s, const PatchGather& gather, const T* x, const T* gy, T* gw)
      : s_(s),
        gather_(gather),
        source_(gather, s.groups, x),
        rows_(s.channels_out / s.groups),
        columns_(s.channels_in / s.groups * gather.taps),
        row_vectors_((gather.points[2] + lanes<T> - 1) / lanes<T>),
        vectors_(gather.points[0] * gather.points[1] * row_vectors_),
        stride_((vectors_ + 1) * lanes<T>),
        gy_(s.batch * s.channels_out * stride_),
        places_(vectors_),
        gw_(gw) {
    for (int64_t i = 0; i < vectors_; i++) {
      const int64_t row = i / row_vectors_;
      places_.get()[i] = source_.at(row / gather.points[1], row % gather.points[1], i % row_vectors_ * lanes<T>);
    }
    pack(gy);
  }

  void run() const {
    const int64_t tiles = s_.groups * column_tiles(), size = s_.channels_out * columns_;
    const int64_t slices = smaller_of(ceil_div(least_items, tiles), s_.batch);
    const int64_t sums_size = dot_columns * rows_ * lanes<T>, most_tiles = smaller_of(tiles, together);
    const int64_t work = rows_ * dot_columns * ceil_div(s_.batch, slices) * vectors_ * lanes<T>;
    Scratch<T> parts(slices > 1 ? slices * size : 0);
    parallel_for(slices * tiles, grain_for(65536, work), [&](int64_t begin, int64_t end) {
      Scratch<T> sums(most_tiles * sums_size);
      for (int64_t i = begin, next; i < end; i = next) {
        const int64_t slice = i / tiles, first = i % tiles;
        const int64_t last = smaller_of(smaller_of(first + end - i, tiles), first + most_tiles);
        const Images images = {slice * s_.batch / slices, (slice + 1) * s_.batch / slices};
        compute(images, first, last, sums_size, sums.get(), slices > 1 ? parts.get() + slice * size : gw_);
        next = i + last - first;
      }
    });
    if (slices > 1) add_up_slices(static_cast<const T*>(parts.get()), slices, size, gw_);
  }

 private:
  /// gy with each row of points closed with zeros to whole vectors, and planes kept off one set of the cache.
  void pack(const T* gy) {
    const int64_t lines = gather_.points[0] * gather_.points[1], width = gather_.points[2];
    parallel_for(s_.batch * s_.channels_out, grain_for(32768, lines, width), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; plane++)
        for (int64_t line = 0; line < lines; line++) {
          const T* from = gy + (plane * lines + line) * width;
          T* to = gy_.get() + plane * stride_ + line * row_vectors_ * lanes<T>;
          int64_t w = 0;
          for (; w + lanes<T> <= width; w += lanes<T>) store(to + w, load(from + w));
          if (w < width) store(to + w, load_part(from + w, static_cast<int>(width - w), T(0)));
        }
    });
  }

  int64_t column_tiles() const { return (columns_ + dot_columns - 1) / dot_columns; }

  struct Images {
    int64_t first, last;
  };

  /// Tiles of columns [begin, end) of gw, for some images. They take turns on a chunk of gy that stays in the
  /// first-level cache, their partial sums in memory meanwhile.
  void compute(Images images, int64_t begin, int64_t end, int64_t sums_size, T* sums, T* gw) const {
    const int64_t chunk = 512 / rows_ < 8 ? 8 : 512 / rows_;
    for (int64_t i = 0; i < (end - begin) * sums_size; i += lanes<T>) store(sums + i, Vec<T>{});
    for (int64_t image = images.first; image < images.last; image++)
      for (int64_t from = 0; from < vectors_; from += chunk) {
        const int64_t to = from + chunk < vectors_ ? from + chunk : vectors_;
        for (int64_t tile = begin; tile < end; tile++) {
          T* own = sums + (tile - begin) * sums_size;
          const int64_t group = tile / column_tiles(), column = tile % column_tiles() * dot_columns;
          if (columns_ - column >= dot_columns) {
            all_rows<dot_columns>(image, from, to, group, column, own);
          } else {
            for (int64_t c = column; c < columns_; c++)
              all_rows<1>(image, from, to, group, c, own + (c - column) * rows_ * lanes<T>);
          }
        }
      }
    for (int64_t tile = begin; tile < end; tile++) {
      const int64_t group = tile / column_tiles(), column = tile % column_tiles() * dot_columns;
      const T* own = sums + (tile - begin) * sums_size;
      for (int64_t c = column; c < columns_ && c < column + dot_columns; c++)
        for (int64_t r = 0; r < rows_; r++)
          gw[(group * rows_ + r) * columns_ + c] = folded(own + ((c - column) * rows_ + r) * lanes<T>);
    }
  }

  template <int columns>
  void all_rows(int64_t image, int64_t from, int64_t to, int64_t group, int64_t column, T* sums) const {
    int64_t row = 0;
    for (; row + dot_rows <= rows_; row += dot_rows)
      add_tile<dot_rows, columns>(image, from, to, group, row, column, sums);
    if constexpr (dot_rows > 4) {
      for (; row + 4 <= rows_; row += 4) add_tile<4, columns>(image, from, to, group, row, column, sums);
    }
    for (; row + 2 <= rows_; row += 2) add_tile<2, columns>(image, from, to, group, row, column, sums);
    if (row < rows_) add_tile<1, columns>(image, from, to, group, row, column, sums);
  }

  /// sums [columns, rows] (vectors) += products of the vectors [from, to) of the points of one image.
  template <int rows, int columns>
  void add_tile(int64_t image, int64_t from, int64_t to, int64_t group, int64_t row, int64_t column, T* sums) const {
    const T* a = gy_.get() + (image * s_.channels_out + group * rows_ + row) * stride_;
    const T* b[columns];
    for (int c = 0; c < columns; c++) b[c] = source_.of(image, group) + source_.offsets()[column + c];
    Vec<T> sum[rows][columns];
    T* own = sums + row * lanes<T>;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
      for (int c = 0; c < columns; c++) sum[r][c] = load(own + (c * rows_ + r) * lanes<T>);
    }
    for (int64_t i = from; i < to; i++) {
      const int64_t place = places_.get()[i];
      Vec<T> right[columns];
#pragma GCC unroll 8
      for (int c = 0; c < columns; c++) right[c] = load(b[c] + place);
#pragma GCC unroll 8
      for (int r = 0; r < rows; r++) {
        const Vec<T> left = load(a + r * stride_ + i * lanes<T>);
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++) sum[r][c] += left * right[c];
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
      for (int c = 0; c < columns; c++) store(own + (c * rows_ + r) * lanes<T>, sum[r][c]);
    }
  }

  /// The sum of a vector's lanes, halves added to halves.
  static T folded(const T* lane) {
    T part[lanes<T> / 2];
    for (int i = 0; i < lanes<T> / 2; i++) part[i] = lane[i] + lane[i + lanes<T> / 2];
#pragma GCC unroll 4
    for (int half = lanes<T> / 4; half > 0; half /= 2)
      for (int i = 0; i < half; i++) part[i] += part[i + half];
    return part[0];
  }

  static constexpr int64_t together = 64;  // tiles of columns
  static constexpr int64_t least_items =
      16;  // to be shared by threads: a tile of some columns and a slice of the batch

  const ConvolutionShape& s_;
  const PatchGather& gather_;
  PaddedSource<T> source_;
  int64_t rows_, columns_, row_vectors_, vectors_;  // vectors of points of an image
  int64_t stride_;                                  // from plane to plane of gy
  Scratch<T> gy_;
  Scratch<int64_t> places_;  // where each vector of points is read
  T* gw_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
