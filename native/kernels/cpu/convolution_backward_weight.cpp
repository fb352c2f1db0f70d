#include <concepts>

#include "base/parallel.h"
#include "kernels/cpu/convolution_broadcast_weight.h"
#include "kernels/cpu/convolution_direct_weight.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/convolution_pointwise_weight.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/product_pack.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// gw = gy panel(x)^T, summed over all output points of the batch. Work is cut into blocks of rows (output channels),
/// blocks of columns (input channel, tap) and slices of the points; how, depends on the shape alone, and slices are
/// added up in order.
template <class T>
class WeightGradient {
 public:
  WeightGradient(const ConvolutionShape& s, const PatchGather& gather, const T* x, const T* gy, T* gw)
      : s_(s), gather_(gather), x_(x), gy_(gy), gw_(gw), plane_(gather.point_count()) {
    rows_ = s.channels_out / s.groups;
    group_channels_ = s.channels_in / s.groups;
    columns_ = group_channels_ * gather.taps;
    row_blocks_ = (rows_ + most_rows - 1) / most_rows;
    block_rows_ = ((rows_ + row_blocks_ - 1) / row_blocks_ + dot_rows - 1) / dot_rows * dot_rows;
    row_blocks_ = (rows_ + block_rows_ - 1) / block_rows_;
    column_blocks_ = (columns_ + most_columns - 1) / most_columns;
    block_columns_ = ((columns_ + column_blocks_ - 1) / column_blocks_ + lanes<T> - 1) / lanes<T> * lanes<T>;
    column_blocks_ = (columns_ + block_columns_ - 1) / block_columns_;

    // A chunk of points is of one image, so that gy can be read in place; those of tiny images are laid end to end.
    run_ = by_product && plane_ >= least_plane ? plane_ : s.batch * plane_;
    const int64_t chunks_of_run = (run_ + most_points - 1) / most_points;
    chunk_ = (run_ + chunks_of_run - 1) / chunks_of_run;
    run_chunks_ = (run_ + chunk_ - 1) / chunk_;
    chunks_ = s.batch * plane_ / run_ * run_chunks_;

    const int64_t blocks = s.groups * row_blocks_ * column_blocks_;
    const int64_t wanted = blocks >= enough_items ? 1 : (enough_items + blocks - 1) / blocks;
    const int64_t slices = wanted < chunks_ / 4 ? wanted : chunks_ / 4;
    slice_chunks_ = slices > 1 ? (chunks_ + slices - 1) / slices : chunks_;
    slices_ = (chunks_ + slice_chunks_ - 1) / slice_chunks_;
  }

  void run() {
    const int64_t size = s_.channels_out * columns_;
    Scratch<T> partial(slices_ > 1 ? slices_ * size : 0);
    parallel_for(s_.groups * row_blocks_ * column_blocks_ * slices_, 1, [&](int64_t begin, int64_t end) {
      Scratch<T> panel(block_columns_ * stride), rows(run_ == plane_ && by_product ? 0 : block_rows_ * stride);
      Scratch<T> sums(block_rows_ * block_columns_ * (by_product ? 1 : lanes<T>));
      Scratch<T> turned(by_product ? chunk_ * block_columns_ : 0);
      for (int64_t item = begin; item < end; item++) {
        const int64_t slice = item % slices_;
        compute(item / slices_, slice, panel.get(), turned.get(), rows.get(), sums.get(),
                slices_ > 1 ? partial.get() + slice * size : gw_);
      }
    });
    if (slices_ > 1) add_up_slices(partial.get(), slices_, size, gw_);
  }

 private:
  // With multiply-adds of float the panel is turned for the register tile of products, and sums are single numbers;
  // else sums are vectors, whose lanes are added up at the end: 72 * 48 of them are 221 KB.
  static constexpr bool by_product = std::same_as<T, float> && ONDOL_HAS_FMA;
  static constexpr int64_t most_rows = by_product ? 512 : 72, most_columns = by_product ? 6 * lanes<T> : 48;
  static constexpr int64_t most_points = (by_product ? 2 : 3) * panel_columns<T>, least_plane = 64;
  static constexpr int64_t stride = most_points + 64 / sizeof(T);
  static constexpr int64_t enough_items = 64;

  void compute(int64_t block, int64_t slice, T* panel, T* turned, T* rows, T* sums, T* to) const {
    const int64_t column_block = block % column_blocks_, row_block = block / column_blocks_ % row_blocks_;
    const int64_t group = block / (column_blocks_ * row_blocks_);
    const int64_t first_row = row_block * block_rows_, first_column = column_block * block_columns_;
    const int64_t row_count = first_row + block_rows_ < rows_ ? block_rows_ : rows_ - first_row;
    const int64_t column_count = first_column + block_columns_ < columns_ ? block_columns_ : columns_ - first_column;
    const int64_t channel = group * rows_ + first_row;

    if (!by_product)
      for (int64_t i = 0; i < row_count * column_count * lanes<T>; i++) sums[i] = 0;
    const int64_t begin = slice * slice_chunks_,
                  end = begin + slice_chunks_ < chunks_ ? begin + slice_chunks_ : chunks_;
    for (int64_t i = begin; i < end; i++) {
      const int64_t at = i % run_chunks_ * chunk_, point = i / run_chunks_ * run_ + at;
      const int64_t count = at + chunk_ < run_ ? chunk_ : run_ - at;
      pack_input(point, count, group * group_channels_, first_column, column_count, panel);
      const T* gradient = rows;
      int64_t gradient_stride = stride;
      if (by_product && run_ == plane_) {
        gradient = gy_ + (i / run_chunks_ * s_.channels_out + channel) * plane_ + at;
        gradient_stride = plane_;
      } else {
        pack_gradient(point, count, channel, row_count, rows);
      }
      if constexpr (by_product) {
        const int64_t vectors = (column_count + lanes<T> - 1) / lanes<T>;
        pack_sliver({panel, 1, stride}, count, column_count, turned);
        product(row_count, vectors, count, gradient, gradient_stride, 1, turned, vectors * lanes<T>,
                static_cast<const T*>(nullptr), i > begin, sums, block_columns_);
      } else {
        dot_product(row_count, column_count, (count + lanes<T> - 1) / lanes<T>, gradient, gradient_stride, panel,
                    stride, sums, column_count * lanes<T>);
      }
    }
    for (int64_t r = 0; r < row_count; r++) {
      for (int64_t c = 0; c < column_count; c++) {
        T& result = to[(channel + r) * columns_ + first_column + c];
        if constexpr (by_product)
          result = sums[r * block_columns_ + c];
        else
          result = sum_of(sums + (r * column_count + c) * lanes<T>, lanes<T>);
      }
    }
  }

  void pack_input(int64_t point, int64_t count, int64_t channel, int64_t first_column, int64_t column_count,
                  T* panel) const {
    PointRuns runs;
    for (int64_t done = 0; done < count; done += panel_columns<T>) {
      const int64_t n = done + panel_columns<T> < count ? panel_columns<T> : count - done;
      split_into_runs(gather_.points, point + done, n, runs);
      pack_panel(gather_, runs, n, {channel, 0, group_channels_, first_column, first_column + column_count}, x_,
                 panel + done, stride);
    }
  }

  /// Rows of gy for the points [point, point + count), which may span several images, closed with zeros to a whole
  /// vector.
  void pack_gradient(int64_t point, int64_t count, int64_t channel, int64_t row_count, T* rows) const {
    const int64_t total = s_.batch * s_.channels_out * plane_;
    for (int64_t done = 0; done < count;) {
      const int64_t image = (point + done) / plane_, at = (point + done) % plane_;
      const int64_t n = plane_ - at < count - done ? plane_ - at : count - done;
      for (int64_t r = 0; r < row_count; r++) {
        const int64_t from = (image * s_.channels_out + channel + r) * plane_ + at;
        copy_run(rows + r * stride + done, gy_ + from, n, total - from);
      }
      done += n;
    }
    for (int64_t r = 0; r < row_count; r++) {
      fill_zeros(rows + r * stride, count, (count + lanes<T> - 1) / lanes<T> * lanes<T>);
    }
  }

  const ConvolutionShape& s_;
  const PatchGather& gather_;
  const T *x_, *gy_;
  T* gw_;
  int64_t rows_, columns_, group_channels_, block_rows_, row_blocks_, block_columns_, column_blocks_;
  int64_t plane_, run_, chunk_, run_chunks_, chunks_;  // points of an image, of a run of chunks, of a chunk
  int64_t slice_chunks_, slices_;
};

}  // namespace

template <class T>
void convolution_backward_weight(const ConvolutionShape& s, const T* x, ResultGradient<T> gradient, T* gw) {
  const int64_t size = s.groups ? s.channels_out * (s.channels_in / s.groups) * volume(s.kernel) : 0;
  if (size == 0) return;
  if (s.batch == 0 || volume(s.output) == 0) {
    for (int64_t i = 0; i < size; i++) gw[i] = 0;
    return;
  }
  if constexpr (std::same_as<T, float>)
    if (winograd_gains(s, winograd_least_tiles_of_weight)) return winograd_backward_weight(s, x, gradient, gw);
  const T* gy = gradient.data;
  if (is_depthwise(s)) return depthwise_backward_weight(s, x, gy, gw);
  Scratch<int64_t> offsets(3 * volume(s.kernel));
  const PatchGather gather = input_gather(s, offsets.get());
  const bool directly = reads_directly<T>(gather, s.channels_out / s.groups);
  if constexpr (std::same_as<T, float> && ONDOL_HAS_FMA)
    if (s.groups == 1 && (gather.reads_in_order() || (is_pointwise(gather) && !directly)))
      return pointwise_weight_gradient(gather, s.channels_out, x, gy, gw);
  if constexpr (std::same_as<T, float> && ONDOL_HAS_FMA)
    if (!directly && BroadcastWeightGradient::gains(s, gather))
      return BroadcastWeightGradient(s, gather, x, gy, gw).run();
  if (directly)
    DirectWeightGradient<T>(s, gather, x, gy, gw).run();
  else
    WeightGradient<T>(s, gather, x, gy, gw).run();
}

template void convolution_backward_weight(const ConvolutionShape&, const float*, ResultGradient<float>, float*);
template void convolution_backward_weight(const ConvolutionShape&, const double*, ResultGradient<double>, double*);

}  // namespace ondol::kernel::ONDOL_LEVEL
