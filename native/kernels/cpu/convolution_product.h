#pragma once

#include "base/parallel.h"
#include "kernels/cpu/convolution_epilogue.h"
#include "kernels/cpu/convolution_gather.h"
#include "kernels/cpu/division.h"
#include "kernels/cpu/every_second.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Where the results of a gathered product go: point p of the grid is element p * step + offset of [batch, channels,
/// size...].
template <class T>
struct ProductTarget {
  int64_t channels, size[3], step[3], offset[3];
  /// Of planes with steps of two: what lies between the points becomes the bias of the channel.
  bool fills_between = false;
  /// Of odd elements along the rows: what stands before each of them, [batch, channels, points...], written with it, so
  /// that lines of memory are written whole.
  const T* evens = nullptr;

  int64_t plane() const { return size[0] * size[1] * size[2]; }
  /// Where in a plane the point (d, h, w) of the grid is.
  int64_t place(int64_t d, int64_t h, int64_t w) const {
    return ((d * step[0] + offset[0]) * size[1] + h * step[1] + offset[1]) * size[2] + w * step[2] + offset[2];
  }
  /// Whether the points of a grid are the first elements of a plane, in their order.
  bool takes_in_order(const int64_t points[3]) const {
    for (int axis = 0; axis < 3; axis++)
      if (step[axis] != 1 || offset[axis] != 0) return false;
    return is_beginning(points, size);
  }
};

/// The left operand of a gathered product: the row of each target channel, which lie `apart`, along the panel's rows.
template <class T>
struct WeightRows {
  const T* data;
  int64_t apart;

  const T* of(int64_t channel) const { return data + channel * apart; }
};

/// So many points of an image are worth tiles of their own, if these need no packing.
template <class T>
inline constexpr int64_t least_in_place = 512 / sizeof(T);

/// For every group: target = weight [rows, depth] * panel(source) [depth, points] + bias, where depth = channels of the
/// group * taps and rows = target channels of the group. The panel exists only a tile of points at a time, in a scratch
/// that stays in the cache ("implicit matrix product"; Chetlur et al. 2014, section 3).
template <class T>
class GatheredProduct {
 public:
  GatheredProduct(const PatchGather& gather, const ProductTarget<T>& target, int64_t groups, const T* source,
                  WeightRows<T> weight, const T* bias, T* to, const ConvolutionEpilogue<T>* epilogue)
      : gather_(gather), target_(target), source_(source), weight_(weight), bias_(bias), to_(to), epilogue_(epilogue) {
    rows_ = target.channels / groups;
    group_channels_ = gather.channels / groups;
    depth_ = group_channels_ * gather.taps;
    writes_in_order_ = target.takes_in_order(gather.points);
    reads_in_order_ = gather.reads_in_order();
    const int64_t blocks = (depth_ + deepest - 1) / deepest;
    block_depth_ = blocks ? (depth_ + blocks - 1) / blocks : 0;
    groups_ = groups;

    // Images that are large, or can be read and written as they lie, are cut into tiles each on its own. Other small
    // ones are laid end to end.
    const int64_t points = gather.point_count();
    const bool as_they_lie = reads_in_order_ && writes_in_order_ && points % lanes<T> == 0;
    span_ = points >= (as_they_lie ? least_in_place<T> : 2 * panel_columns<T>) ? points : points * gather.batch;
    spans_ = span_ == points ? gather.batch : 1;
    int64_t tiles = (span_ + panel_columns<T> - 1) / panel_columns<T>;
    if (spans_ == 1 && tiles > 4) tiles += tiles % 2;  // of nine tiles, one of two threads would have five
    tile_ = ((span_ + tiles - 1) / tiles + lanes<T> - 1) / lanes<T> * lanes<T>;
    tiles_ = (span_ + tile_ - 1) / tile_;
    // Few tiles: threads share a tile's rows.
    const int64_t items = spans_ * tiles_ * groups_, wanted = 2 * static_cast<int64_t>(num_threads());
    const int64_t parts = items >= wanted ? 1 : (wanted + items - 1) / items;
    part_rows_ = ((rows_ + parts - 1) / parts + tile_rows - 1) / tile_rows * tile_rows;
    row_parts_ = (rows_ + part_rows_ - 1) / part_rows_;
  }

  void run() const {
    if (row_parts_ > 1)
      run_by_rows();
    else
      run_by_tiles();
  }

 private:
  static constexpr int64_t deepest = 256;  // block: an element is a sum of chains as long as it

  /// Whether planes can be read in place: the processor keeps the pages in mind on which rows of a block lie.
  bool keeps_pages() const {
    constexpr int64_t deepest_of_any_size = 512, most_bytes = 1 << 20;
    return depth_ <= deepest_of_any_size || block_depth_ * gather_.source_size() * int64_t{sizeof(T)} <= most_bytes;
  }

  /// Rows of a panel.
  struct PanelRows {
    const T* data;
    int64_t stride;
  };

  /// Some points of a span, and a group of channels.
  struct Tile {
    int64_t span, begin, columns, group;
    bool in_place, unpacked;  // whole vectors of one image go straight to and, for a 1x1 kernel, straight from memory
    PointRuns runs;
  };

  void find(int64_t item, Tile& tile) const {
    tile.group = item % groups_;
    tile.begin = item / groups_ % tiles_ * tile_, tile.span = item / (groups_ * tiles_);
    tile.columns = tile.begin + tile_ < span_ ? tile_ : span_ - tile.begin;
    const bool aligned = spans_ == gather_.batch && span_ == gather_.point_count() && tile.columns % lanes<T> == 0;
    tile.in_place = aligned && writes_in_order_;
    tile.unpacked = aligned && reads_in_order_ && keeps_pages();
    if (!tile.in_place || !tile.unpacked)
      split_into_runs(gather_.points, tile.span * span_ + tile.begin, tile.columns, tile.runs);
  }

  /// Rows [begin, end) of the panel, as far as channels [first, last) of the group have them.
  void pack(const Tile& tile, int64_t first, int64_t last, int64_t begin, int64_t end, T* panel, int64_t stride) const {
    pack_panel(gather_, tile.runs, tile.columns, {tile.group * group_channels_, first, last, begin, end}, source_,
               panel, stride);
  }

  /// Rows of the image from channel k of the group on, in place.
  PanelRows plane_rows(const Tile& tile, int64_t k) const {
    const int64_t plane = gather_.source_size(), channel = tile.group * group_channels_ + k;
    return {source_ + (tile.span * gather_.channels + channel) * plane + tile.begin, plane};
  }

  void run_by_tiles() const {
    const int64_t work = rows_ * tile_ * (depth_ + 1);
    const int64_t grain = work ? (int64_t{1} << 16) / work + 1 : 1;
    parallel_for(spans_ * tiles_ * groups_, grain, [this](int64_t begin, int64_t end) {
      Scratch<T> panel(block_depth_ * panel_stride<T>), result(rows_ * panel_columns<T>);
      Tile tile;
      for (int64_t item = begin; item < end; item++) {
        find(item, tile);
        multiply(tile, 0, rows_, result.get(), [&](int64_t k, int64_t depth) {
          if (!tile.unpacked) pack(tile, 0, group_channels_, k, k + depth, panel.get(), panel_stride<T>);
          return PanelRows{panel.get(), panel_stride<T>};
        });
      }
    });
  }

  /// The panel of a tile is packed as a whole by all threads before they share its rows.
  void run_by_rows() const {
    const int64_t stride = tile_ + 64 / sizeof(T);
    Scratch<T> panel(depth_ * stride);
    Tile tile;
    for (int64_t item = 0; item < spans_ * tiles_ * groups_; item++) {
      find(item, tile);
      if (!tile.unpacked)
        parallel_for(group_channels_, grain_for(1 << 14, gather_.taps, tile_),
                     [&](int64_t begin, int64_t end) { pack(tile, begin, end, 0, depth_, panel.get(), stride); });
      const int64_t work = part_rows_ * tile_ * (depth_ + 1);
      parallel_for(row_parts_, work ? (int64_t{1} << 16) / work + 1 : 1, [&](int64_t begin, int64_t end) {
        Scratch<T> result(part_rows_ * panel_columns<T>);
        for (int64_t first = begin * part_rows_; first < end * part_rows_ && first < rows_; first += part_rows_)
          multiply(tile, first, first + part_rows_ < rows_ ? part_rows_ : rows_ - first, result.get(),
                   [&](int64_t k, int64_t) { return PanelRows{panel.get() + k * stride, stride}; });
      });
    }
  }

  /// Rows [first, first + rows) of a tile; panel(k, depth) is where rows [k, k + depth) of the panel are.
  template <class Panel>
  void multiply(const Tile& tile, int64_t first, int64_t rows, T* result, Panel panel) const {
    const int64_t target_channel = tile.group * rows_ + first;
    const int64_t c_stride = tile.in_place ? target_.plane() : panel_columns<T>;
    T* c = tile.in_place ? to_ + (tile.span * target_.channels + target_channel) * c_stride + tile.begin : result;
    const T* a = weight_.of(target_channel);
    const T* bias = bias_ ? bias_ + target_channel : nullptr;
    // One point more than whole vectors (7 x 7 points) is not worth a vector of its own.
    const bool one_more = tile.columns > lanes<T> && tile.columns % lanes<T> == 1;
    const int64_t vectors = one_more ? tile.columns / lanes<T> : (tile.columns + lanes<T> - 1) / lanes<T>;
    int64_t k = 0;
    do {  // once even if there is nothing to sum: the result is then the bias
      const int64_t depth = k + block_depth_ < depth_ ? block_depth_ : depth_ - k;
      PanelRows b = panel(k, depth);
      if (tile.unpacked) b = plane_rows(tile, k);
      product(rows, vectors, depth, a + k, weight_.apart, 1, b.data, b.stride, bias, k > 0, c, c_stride);
      if (one_more) {
        const int64_t column = tile.columns - 1;
        product_with_column(rows, depth, a + k, b.data + column, b.stride, bias, k > 0, c + column, c_stride);
      }
      k += depth;
    } while (k < depth_);
    for (int64_t r = 0; epilogue_ && r < rows; r++)
      apply_epilogue(epilogue_, target_channel + r, tile.columns, c + r * c_stride);
    if (!tile.in_place) scatter(tile.runs, target_channel, rows, result);
  }

  /// As product(), for one column: a vector holds partial sums of a dot product.
  void product_with_column(int64_t rows, int64_t depth, const T* a, const T* b, int64_t b_stride, const T* bias,
                           bool accumulate, T* c, int64_t c_stride) const {
    T column[deepest], sums[dot_rows * lanes<T>];
    for (int64_t k = 0; k < depth; k++) column[k] = b[k * b_stride];
    const int64_t whole = depth / lanes<T> * lanes<T>;
    for (int64_t first = 0; first < rows; first += dot_rows) {
      const int64_t count = first + dot_rows < rows ? dot_rows : rows - first;
      fill_zeros(sums, 0, count * lanes<T>);
      dot_product(count, 1, whole / lanes<T>, a + first * weight_.apart, weight_.apart, static_cast<const T*>(column),
                  0, sums, lanes<T>);
      for (int64_t r = 0; r < count; r++) {
        T sum = sum_of(sums + r * lanes<T>, lanes<T>);
        for (int64_t k = whole; k < depth; k++) sum += a[(first + r) * weight_.apart + k] * column[k];
        T& result = c[(first + r) * c_stride];
        result = (accumulate ? result : bias ? bias[first + r] : T(0)) + sum;
      }
    }
  }

  void scatter(const PointRuns& runs, int64_t first_channel, int64_t rows, const T* result) const {
    if (target_.fills_between) return scatter_and_fill(runs, first_channel, rows, result);
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t i = 0; i < runs.count; i++) {
        const PointRun& run = runs.run[i];
        int64_t at = run.image * target_.channels + first_channel + r;
        for (int axis = 0; axis < 3; axis++) {
          at = at * target_.size[axis] + run.point[axis] * target_.step[axis] + target_.offset[axis];
        }
        const T* from = result + r * panel_columns<T> + run.column;
        const int64_t step = target_.step[2];
        if (target_.evens) {
          interleave(target_.evens + place_of_even(run, first_channel + r), from, run.length, to_ + at - 1);
        } else if (step == 1) {
          for (int64_t j = 0; j < run.length; j++) to_[at + j] = from[j];
        } else if (step == 2) {
          spread_to_every_second(to_ + at, from, run.length);
        } else {
          for (int64_t j = 0; j < run.length; j++) to_[at + j * step] = from[j];
        }
      }
    }
  }

  int64_t place_of_even(const PointRun& run, int64_t channel) const {
    int64_t at = run.image * target_.channels + channel;
    for (int axis = 0; axis < 3; axis++) at = at * gather_.points[axis] + run.point[axis];
    return at;
  }
  /// Point (h, w) becomes the upper left of a square of 2 x 2 elements.
  void scatter_and_fill(const PointRuns& runs, int64_t first_channel, int64_t rows, const T* result) const {
    const int64_t height = target_.size[1], width = target_.size[2];
    for (int64_t r = 0; r < rows; r++) {
      const Vec<T> between = broadcast(bias_ ? bias_[first_channel + r] : T(0));
      for (int64_t i = 0; i < runs.count; i++) {
        const PointRun& run = runs.run[i];
        const int64_t h = 2 * run.point[1], w = 2 * run.point[2],
                      plane = run.image * target_.channels + first_channel + r;
        const int64_t room = smaller_of(2 * run.length, width - w);
        const T* from = result + r * panel_columns<T> + run.column;
        T* to = to_ + (plane * height + h) * width + w;
        for (int64_t j = 0; j < run.length; j += lanes<T>) {
          store_alternating(to + 2 * j, room - 2 * j, load_up_to(from + j, run.length - j), between);
          if (h + 1 < height) store_alternating(to + width + 2 * j, room - 2 * j, between, between);
        }
      }
    }
  }

  const PatchGather& gather_;
  const ProductTarget<T>& target_;
  const T* source_;
  const WeightRows<T> weight_;
  const T* bias_;
  T* to_;
  const ConvolutionEpilogue<T>* epilogue_;
  int64_t groups_, group_channels_, rows_, depth_, block_depth_;
  int64_t span_, spans_, tile_, tiles_, part_rows_, row_parts_;
  bool reads_in_order_, writes_in_order_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
