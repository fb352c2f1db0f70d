#pragma once

#include "base/parallel.h"
#include "kernels/cpu/convolution_gather.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Where the results of a gathered product go: point p of the grid is element p * step + offset of [batch, channels,
/// size...].
struct ProductTarget {
  int64_t channels, size[3], step[3], offset[3];

  int64_t plane() const { return size[0] * size[1] * size[2]; }
};

/// For every group: target = weight [rows, depth] * panel(source) [depth, points] + bias, where depth = channels of the
/// group * taps and rows = target channels of the group. The panel exists only a tile of points at a time, in a scratch
/// that stays in the cache ("implicit matrix product"; Chetlur et al. 2014, section 3).
template <class T>
class GatheredProduct {
 public:
  GatheredProduct(const PatchGather& gather, const ProductTarget& target, int64_t groups, const T* source,
                  const T* weight, const T* bias, T* to)
      : gather_(gather), target_(target), source_(source), weight_(weight), bias_(bias), to_(to) {
    rows_ = target.channels / groups;
    group_channels_ = gather.channels / groups;
    depth_ = group_channels_ * gather.taps;
    contiguous_ = true;
    for (int axis = 0; axis < 3; axis++)
      contiguous_ &= target.step[axis] == 1 && target.size[axis] == gather.points[axis];
    if (contiguous_ && gather.is_identity()) flatten();
    const int64_t blocks = (depth_ + deepest - 1) / deepest;
    block_depth_ = blocks ? (depth_ + blocks - 1) / blocks : 0;
    groups_ = groups;

    // Large images are cut into tiles each on its own, small ones are laid end to end.
    const int64_t points = gather.point_count();
    span_ = points >= 2 * panel_columns<T> ? points : points * gather.batch;
    spans_ = span_ == points ? gather.batch : 1;
    const int64_t tiles = (span_ + panel_columns<T> - 1) / panel_columns<T>;
    tile_ = ((span_ + tiles - 1) / tiles + lanes<T> - 1) / lanes<T> * lanes<T>;
    tiles_ = (span_ + tile_ - 1) / tile_;
    // Few tiles: threads share a tile's rows, at the price of packing its panel more than once.
    const int64_t items = spans_ * tiles_ * groups_, wanted = 2 * static_cast<int64_t>(num_threads());
    const int64_t parts = items >= wanted ? 1 : (wanted + items - 1) / items;
    part_rows_ = ((rows_ + parts - 1) / parts + tile_rows - 1) / tile_rows * tile_rows;
    row_parts_ = (rows_ + part_rows_ - 1) / part_rows_;
  }

  void run() {
    const int64_t work = part_rows_ * tile_ * (depth_ + 1);
    const int64_t grain = work ? (int64_t{1} << 16) / work + 1 : 1;
    parallel_for(spans_ * tiles_ * groups_ * row_parts_, grain, [this](int64_t begin, int64_t end) {
      Scratch<T> panel(block_depth_ * panel_stride<T>);
      Scratch<T> result(part_rows_ * panel_columns<T>);
      for (int64_t item = begin; item < end; item++) compute(item, panel.get(), result.get());
    });
  }

 private:
  static constexpr int64_t deepest = 512;

  /// Takes a plane as one row: it is then copied in few long runs, not in one for each of its rows.
  void flatten() {
    const int64_t points = gather_.point_count();
    for (int axis = 0; axis < 3; axis++)
      gather_.source[axis] = gather_.points[axis] = target_.size[axis] = axis == 2 ? points : 1;
  }

  void compute(int64_t item, T* panel, T* result) const {
    const int64_t part = item % row_parts_, group = item / row_parts_ % groups_;
    const int64_t tile = item / (row_parts_ * groups_) % tiles_, span = item / (row_parts_ * groups_ * tiles_);
    const int64_t begin = tile * tile_, columns = begin + tile_ < span_ ? tile_ : span_ - begin;
    const int64_t first_row = part * part_rows_;
    const int64_t rows = first_row + part_rows_ < rows_ ? part_rows_ : rows_ - first_row;
    const int64_t vectors = (columns + lanes<T> - 1) / lanes<T>;
    const int64_t first_channel = group * group_channels_, target_channel = group * rows_ + first_row;

    // Whole vectors of one image go straight to and, for a 1x1 kernel, straight from memory.
    const bool aligned = spans_ == gather_.batch && span_ == gather_.point_count() && columns % lanes<T> == 0;
    const bool in_place = aligned && contiguous_, unpacked = aligned && gather_.is_identity() && depth_ <= deepest;
    PointRuns runs;
    if (!in_place || !unpacked) split_into_runs(gather_.points, span * span_ + begin, columns, runs);

    T* c = in_place ? to_ + (span * target_.channels + target_channel) * span_ + begin : result;
    const int64_t c_stride = in_place ? span_ : panel_columns<T>;
    const T* a = weight_ + target_channel * depth_;
    const T* bias = bias_ ? bias_ + target_channel : nullptr;
    int64_t k = 0;
    do {  // once even if there is nothing to sum: the result is then the bias
      const int64_t depth = k + block_depth_ < depth_ ? block_depth_ : depth_ - k;
      if (unpacked) {
        const T* b = source_ + (span * gather_.channels + first_channel + k) * span_ + begin;
        product(rows, vectors, depth, a + k, depth_, 1, b, span_, bias, k > 0, c, c_stride);
      } else {
        pack_panel(gather_, runs, columns, first_channel, k, k + depth, source_, panel, panel_stride<T>);
        product(rows, vectors, depth, a + k, depth_, 1, panel, panel_stride<T>, bias, k > 0, c, c_stride);
      }
      k += depth;
    } while (k < depth_);
    if (!in_place) scatter(runs, target_channel, rows, result);
  }

  void scatter(const PointRuns& runs, int64_t first_channel, int64_t rows, const T* result) const {
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t i = 0; i < runs.count; i++) {
        const PointRun& run = runs.run[i];
        int64_t at = run.image * target_.channels + first_channel + r;
        for (int axis = 0; axis < 3; axis++) {
          at = at * target_.size[axis] + run.point[axis] * target_.step[axis] + target_.offset[axis];
        }
        const T* from = result + r * panel_columns<T> + run.column;
        const int64_t step = target_.step[2];
        if (step == 1) {
          for (int64_t j = 0; j < run.length; j++) to_[at + j] = from[j];
        } else {
          for (int64_t j = 0; j < run.length; j++) to_[at + j * step] = from[j];
        }
      }
    }
  }

  PatchGather gather_;
  ProductTarget target_;
  const T *source_, *weight_, *bias_;
  T* to_;
  int64_t groups_, group_channels_, rows_, depth_, block_depth_;
  int64_t span_, spans_, tile_, tiles_, part_rows_, row_parts_;
  bool contiguous_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
