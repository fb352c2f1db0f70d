#include <concepts>

#include "base/parallel.h"
#include "kernels/cpu/convolution_direct_weight.h"
#include "kernels/cpu/convolution_parts.h"
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
      : s_(s), gather_(gather), x_(x), gy_(gy), gw_(gw) {
    rows_ = s.channels_out / s.groups;
    group_channels_ = s.channels_in / s.groups;
    columns_ = group_channels_ * gather.taps;
    row_blocks_ = (rows_ + most_rows - 1) / most_rows;
    block_rows_ = ((rows_ + row_blocks_ - 1) / row_blocks_ + dot_rows - 1) / dot_rows * dot_rows;
    row_blocks_ = (rows_ + block_rows_ - 1) / block_rows_;
    column_blocks_ = (columns_ + block_columns - 1) / block_columns;
    points_ = s.batch * gather.point_count();
    const int64_t chunks = (points_ + chunk - 1) / chunk;
    const int64_t blocks = s.groups * row_blocks_ * column_blocks_;
    const int64_t wanted = blocks >= enough_items ? 1 : (enough_items + blocks - 1) / blocks;
    const int64_t slices = wanted < chunks / 4 ? wanted : chunks / 4;
    slice_chunks_ = slices > 1 ? (chunks + slices - 1) / slices : chunks;
    slices_ = (chunks + slice_chunks_ - 1) / slice_chunks_;
  }

  void run() {
    const int64_t size = s_.channels_out * columns_;
    Scratch<T> partial(slices_ > 1 ? slices_ * size : 0);
    parallel_for(s_.groups * row_blocks_ * column_blocks_ * slices_, 1, [&](int64_t begin, int64_t end) {
      Scratch<T> panel(block_columns * stride), rows(block_rows_ * stride);
      Scratch<T> sums(block_rows_ * block_columns * (by_product ? 1 : lanes<T>));
      Scratch<T> turned(by_product ? chunk * block_columns : 0);
      for (int64_t item = begin; item < end; item++) {
        const int64_t slice = item % slices_;
        compute(item / slices_, slice, panel.get(), turned.get(), rows.get(), sums.get(),
                slices_ > 1 ? partial.get() + slice * size : gw_);
      }
    });
    if (slices_ > 1) {
      parallel_for(size, 1 + 32768 / slices_, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
          T sum = 0;
          for (int64_t slice = 0; slice < slices_; slice++) sum += partial.get()[slice * size + i];
          gw_[i] = sum;
        }
      });
    }
  }

 private:
  // With multiply-adds of float the panel is turned for the register tile of products, and sums are single numbers;
  // else sums are vectors, whose lanes are added up at the end: 72 * 48 of them are 221 KB.
  static constexpr bool by_product = std::same_as<T, float> && ONDOL_HAS_FMA;
  static constexpr int64_t most_rows = by_product ? 192 : 72, block_columns = 48;
  static constexpr int64_t chunk = 3 * panel_columns<T>, stride = chunk + 64 / sizeof(T);
  static constexpr int64_t enough_items = 64;

  void compute(int64_t block, int64_t slice, T* panel, T* turned, T* rows, T* sums, T* to) const {
    const int64_t column_block = block % column_blocks_, row_block = block / column_blocks_ % row_blocks_;
    const int64_t group = block / (column_blocks_ * row_blocks_);
    const int64_t first_row = row_block * block_rows_, first_column = column_block * block_columns;
    const int64_t row_count = first_row + block_rows_ < rows_ ? block_rows_ : rows_ - first_row;
    const int64_t column_count = first_column + block_columns < columns_ ? block_columns : columns_ - first_column;
    const int64_t channel = group * rows_ + first_row;

    if (!by_product)
      for (int64_t i = 0; i < row_count * column_count * lanes<T>; i++) sums[i] = 0;
    const int64_t begin = slice * slice_chunks_ * chunk;
    const int64_t stop = begin + slice_chunks_ * chunk, end = stop < points_ ? stop : points_;
    for (int64_t point = begin; point < end; point += chunk) {
      const int64_t count = point + chunk < end ? chunk : end - point;
      pack_input(point, count, group * group_channels_, first_column, column_count, panel);
      pack_gradient(point, count, channel, row_count, rows);
      if constexpr (by_product) {
        const int64_t vectors = (column_count + lanes<T> - 1) / lanes<T>;
        pack_sliver({panel, 1, stride}, count, column_count, turned);
        product(row_count, vectors, count, rows, stride, 1, turned, vectors * lanes<T>, static_cast<const T*>(nullptr),
                point > begin, sums, block_columns);
      } else {
        dot_product(row_count, column_count, (count + lanes<T> - 1) / lanes<T>, rows, stride, panel, stride, sums,
                    column_count * lanes<T>);
      }
    }
    for (int64_t r = 0; r < row_count; r++) {
      for (int64_t c = 0; c < column_count; c++) {
        T& result = to[(channel + r) * columns_ + first_column + c];
        if constexpr (by_product)
          result = sums[r * block_columns + c];
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
      pack_panel(gather_, runs, n, channel, first_column, first_column + column_count, x_, panel + done, stride);
    }
  }

  /// Rows of gy for the points [point, point + count), which may span several images, closed with zeros to a whole
  /// vector.
  void pack_gradient(int64_t point, int64_t count, int64_t channel, int64_t row_count, T* rows) const {
    const int64_t plane = gather_.point_count(), total = s_.batch * s_.channels_out * plane;
    for (int64_t done = 0; done < count;) {
      const int64_t image = (point + done) / plane, at = (point + done) % plane;
      const int64_t n = plane - at < count - done ? plane - at : count - done;
      for (int64_t r = 0; r < row_count; r++) {
        const int64_t from = (image * s_.channels_out + channel + r) * plane + at;
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
  int64_t rows_, columns_, group_channels_, block_rows_, row_blocks_, column_blocks_, points_, slice_chunks_, slices_;
};

}  // namespace

template <class T>
void convolution_backward_weight(const ConvolutionShape& s, const T* x, const T* gy, T* gw) {
  const int64_t size = s.groups ? s.channels_out * (s.channels_in / s.groups) * volume(s.kernel) : 0;
  if (size == 0) return;
  if (s.batch == 0 || volume(s.output) == 0) {
    for (int64_t i = 0; i < size; i++) gw[i] = 0;
    return;
  }
  if (is_depthwise(s)) return depthwise_backward_weight(s, x, gy, gw);
  if constexpr (std::same_as<T, float>)
    if (winograd_gains(s)) return winograd_backward_weight(s, x, gy, gw);
  Scratch<int64_t> offsets(3 * volume(s.kernel));
  const PatchGather gather = input_gather(s, offsets.get());
  if (reads_directly<T>(gather, s.channels_out / s.groups))
    DirectWeightGradient<T>(s, gather, x, gy, gw).run();
  else
    WeightGradient<T>(s, gather, x, gy, gw).run();
}

template void convolution_backward_weight(const ConvolutionShape&, const float*, const float*, float*);
template void convolution_backward_weight(const ConvolutionShape&, const double*, const double*, double*);

}  // namespace ondol::kernel::ONDOL_LEVEL
