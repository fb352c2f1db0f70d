#pragma once

#include "base/parallel.h"
#include "kernels/cpu/convolution_epilogue.h"
#include "kernels/cpu/convolution_frame.h"
#include "kernels/cpu/convolution_product.h"
#include "kernels/cpu/division.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/product_microkernel.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// The source of a gather with its padding around it, and how one reads it: what row k of the panel of a group holds
/// for a vector of points that begins at p of an image and group is at `of(image, group) + at(p) + offset(k)`, so that
/// no panel need be packed.
template <class T>
class PaddedSource {
 public:
  PaddedSource(const PatchGather& gather, int64_t groups, const T* source, int together = lanes<T>)
      : frame_(gather, together),
        group_channels_(gather.channels / groups),
        images_(gather.batch * gather.channels * frame_.size()),
        offsets_(group_channels_ * gather.taps) {
    for (int64_t channel = 0; channel < group_channels_; channel++)
      for (int64_t tap = 0; tap < gather.taps; tap++) {
        const int64_t k = channel * gather.channel_step + tap * gather.tap_step;
        offsets_.get()[k] = channel * frame_.size() + frame_.tap(tap);
      }
    parallel_for(gather.batch * gather.channels, grain_for(32768, frame_.size()), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; plane++)
        frame_.copy_in(T(0), source + plane * gather.source_size(), images_.get() + plane * frame_.size());
    });
  }

  const T* of(int64_t image, int64_t group) const {
    return images_.get() + (image * frame_.gather.channels + group * group_channels_) * frame_.size();
  }
  /// Where the points from (d, h, w) on are read.
  int64_t at(int64_t d, int64_t h, int64_t w) const { return frame_.point_row(d, h) + w; }
  const int64_t* offsets() const { return offsets_.get(); }

 private:
  PlaneFrame frame_;
  int64_t group_channels_;
  Scratch<T> images_;
  Scratch<int64_t> offsets_;
};

/// Whether to read a padded copy instead of packing panels: `rows` results for each point are too few for the packing
/// to be lost in the arithmetic, taps are enough to be worth the copy, rows of points fill most of their vectors, and
/// the copy stays in the caches.
template <class T>
inline bool reads_directly(const PatchGather& g, int64_t rows) {
  constexpr int64_t most_rows = 32, least_taps = 8, most_bytes = 4 << 20;
  const int64_t width = g.points[2], vectors = (width + lanes<T> - 1) / lanes<T>;
  if (rows < 4 || rows > most_rows || g.taps < least_taps || 5 * width < 4 * vectors * lanes<T>) return false;
  if (g.source_size() > most_bytes || g.batch * g.channels > most_bytes) return false;
  return g.batch * g.channels * PlaneFrame(g, lanes<T>).size() * int64_t(sizeof(T)) <= most_bytes;
}

/// GatheredProduct on a padded source.
template <class T>
class DirectProduct {
  static constexpr int64_t longest_chain = 256;  // terms, for the sake of their sum's last digits

 public:
  DirectProduct(const PatchGather& gather, const ProductTarget<T>& target, int64_t groups, const T* source,
                WeightRows<T> weight, const T* bias, T* to, const ConvolutionEpilogue<T>* epilogue)
      : gather_(gather),
        target_(target),
        source_(gather, groups, source),
        weight_(weight),
        bias_(bias),
        to_(to),
        epilogue_(epilogue),
        groups_(groups),
        rows_(target.channels / groups),
        depth_(gather.channels / groups * gather.taps),
        row_vectors_((gather.points[2] + lanes<T> - 1) / lanes<T>) {}

  void run() {
    const int64_t tiles = ceil_div(row_vectors_ * gather_.points[0] * gather_.points[1], tile_vectors);
    const int64_t blocks = ceil_div(rows_, tile_rows), work = tile_rows * depth_ * tile_vectors * lanes<T>;
    parallel_for(gather_.batch * groups_ * blocks * tiles, grain_for(65536, work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin, next; i < end; i = next) {
        const int64_t block = i / tiles, plane = block / blocks, first = i % tiles;
        const int64_t last = smaller_of(first + end - i, tiles);
        next = i + last - first;
        compute(plane / groups_, plane % groups_, block % blocks * tile_rows, first, last);
      }
    });
  }

 private:
  /// The first point of a vector.
  struct Point {
    int64_t d, h, w;
  };
  Point point_of(int64_t vector) const {
    const int64_t row = vector / row_vectors_;
    return {row / gather_.points[1], row % gather_.points[1], vector % row_vectors_ * lanes<T>};
  }
  void advance(Point& p) const {
    p.w += lanes<T>;
    if (p.w < gather_.points[2]) return;
    p.w = 0, p.h++;
    if (p.h < gather_.points[1]) return;
    p.h = 0, p.d++;
  }

  /// Tiles [first, last) of up to tile_rows rows from `row` on: tile after tile of the same rows, for only so many
  /// places in memory can be written side by side at the full rate.
  void compute(int64_t image, int64_t group, int64_t row, int64_t first, int64_t last) const {
    const int64_t rows = smaller_of(tile_rows, rows_ - row);
    const int64_t end = smaller_of(last * tile_vectors, row_vectors_ * gather_.points[0] * gather_.points[1]);
    int64_t vector = first * tile_vectors;
    Point p = point_of(vector);
    for (; vector + tile_vectors <= end; vector += tile_vectors) rows_of_tile<tile_vectors>(image, group, row, rows, p);
    for (; vector < end; vector++) rows_of_tile<1>(image, group, row, rows, p);
  }

  /// `vectors` vectors from p on, which then is behind them.
  template <int vectors>
  void rows_of_tile(int64_t image, int64_t group, int64_t row, int64_t rows, Point& p) const {
    const T *image_source = source_.of(image, group), *from[vectors];
    Point points[vectors];
    for (int v = 0; v < vectors; v++, advance(p)) {
      points[v] = p;
      from[v] = image_source + source_.at(p.d, p.h, p.w);
    }
    if (rows == tile_rows) return tile<tile_rows, vectors>(image, group, row, from, points);
    for (; rows >= 2; rows -= 2, row += 2) tile<2, vectors>(image, group, row, from, points);
    if (rows > 0) tile<1, vectors>(image, group, row, from, points);
  }

  /// sum[r][v] = sum_k a[r, k] x[v, k] over `count` terms, one chain of multiply-adds for each element.
  template <int rows, int vectors>
  [[gnu::always_inline]] void multiply(const T* a, const T* const* from, const int64_t* offsets, int64_t count,
                                       Vec<T> (&sum)[rows][vectors]) const {
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) sum[r][v] = Vec<T>{};
    }
    for (int64_t k = 0; k < count; k++) {
      Vec<T> right[vectors];
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) right[v] = load(from[v] + offsets[k]);
#pragma GCC unroll 8
      for (int r = 0; r < rows; r++) {
        const Vec<T> left = broadcast(a[r * weight_.apart + k]);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[r][v] += left * right[v];
      }
    }
  }

  template <int rows, int vectors>
  void tile(int64_t image, int64_t group, int64_t row, const T* const* from, const Point* points) const {
    const int64_t channel = group * rows_ + row, *offsets = source_.offsets();
    const T* a = weight_.of(channel);
    Vec<T> sum[rows][vectors];
    multiply<rows, vectors>(a, from, offsets, smaller_of(longest_chain, depth_), sum);
    for (int64_t k = longest_chain; k < depth_; k += longest_chain) {
      Vec<T> part[rows][vectors];
      multiply<rows, vectors>(a + k, from, offsets + k, smaller_of(longest_chain, depth_ - k), part);
#pragma GCC unroll 8
      for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[r][v] += part[r][v];
      }
    }
    if (bias_) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[r][v] += bias_[channel + r];
      }
    }
    if (epilogue_) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; r++) {
        const Finish<T, T> finish = finish_of_channel(*epilogue_, channel + r);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[r][v] = finish(sum[r][v]);
      }
    }
    const int64_t apart = target_.plane(), step = target_.step[2];
    for (int v = 0; v < vectors; v++) {
      const Point& p = points[v];
      const int64_t left = gather_.points[2] - p.w;
      T* to = to_ + (image * target_.channels + channel) * apart + target_.place(p.d, p.h, p.w);
#pragma GCC unroll 8
      for (int r = 0; r < rows; r++, to += apart) {
        if (target_.evens) {
          const int64_t plane = image * target_.channels + channel + r, row = p.d * gather_.points[1] + p.h;
          const T* evens = target_.evens + plane * gather_.point_count() + row * gather_.points[2] + p.w;
          store_alternating(to - 1, 2 * left, load_up_to(evens, left), sum[r][v]);
        } else if (step == 1) {
          store_up_to(to, sum[r][v], left);
        } else {
          for (int64_t i = 0; i < left && i < lanes<T>; i++) to[i * step] = sum[r][v][i];
        }
      }
    }
  }

  const PatchGather& gather_;
  ProductTarget<T> target_;
  PaddedSource<T> source_;
  WeightRows<T> weight_;
  const T* bias_;
  T* to_;
  const ConvolutionEpilogue<T>* epilogue_;
  int64_t groups_, rows_, depth_, row_vectors_;
};

/// The product of a gathered source with a weight, whichever way is faster.
template <class T>
void gathered_product(PatchGather gather, ProductTarget<T> target, int64_t groups, const T* source,
                      WeightRows<T> weight, const T* bias, T* to, const ConvolutionEpilogue<T>* epilogue = nullptr) {
  const auto run = [&] { GatheredProduct<T>(gather, target, groups, source, weight, bias, to, epilogue).run(); };
  if (reads_directly<T>(gather, target.channels / groups))
    return DirectProduct<T>(gather, target, groups, source, weight, bias, to, epilogue).run();
  if (!gather.reads_in_order() || !target.takes_in_order(gather.points)) return run();
  // A plane is one row, as are the points, of which there may be fewer. What its last vector would not fill is gathered
  // from all images.
  const int64_t points = gather.point_count(), whole = points / lanes<T> * lanes<T>;
  const auto make_row = [](int64_t (&sizes)[3], int64_t length) { sizes[0] = sizes[1] = 1, sizes[2] = length; };
  make_row(gather.source, gather.source_size());
  make_row(gather.points, points);
  make_row(target.size, target.plane());
  if (points == whole || whole < least_in_place<T>) return run();
  gather.points[2] = whole;
  run();
  const int64_t rest[3] = {0, 0, whole};
  gather.points[2] = points - whole, gather.offsets = rest, target.offset[2] = whole;
  run();
}

}  // namespace ondol::kernel::ONDOL_LEVEL
