#include "kernels/cpu/fft.h"

#include "base/parallel.h"
#include "kernels/cpu/fft_block.h"
#include "kernels/cpu/fft_real.h"
#include "kernels/cpu/fft_transform.h"

// Lines go through the cache in blocks: as many side by side as a vector has lanes, or, where that is faster, one after
// the other with vectors along the line. Which of both depends on the lines alone, not on the number of threads.

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

inline constexpr int64_t grain = 1 << 13;  // points for which another thread is worth waking

/// Whether the passes over a single line work on whole vectors, or nearly so.
template <class T>
bool fills_vectors_alone(const FftPlan<T>& plan) {
  constexpr int64_t many = 1024;  // so many points that the few of them beyond the last whole vector do not count
  return !plan.convolution && plan.n % ((plan.n < many ? 4 : 2) * lanes<T>) == 0 && plan.stage[0].spread;
}

/// Runs task(workspace, first line, x, y) for every block of `width` lines.
template <class T, class Task>
void each_block(const FftLines<T>& lines, int64_t points, int64_t width, Task task) {
  const int64_t blocks = (lines.count + width - 1) / width;
  parallel_for(blocks, grain_for(grain, points, width), [&](int64_t begin, int64_t end) {
    const Workspace<T> workspace(points, width);
    const LineWalk<T> walk(lines);
    Block<const T> x;
    Block<T> y;
    for (int64_t block = begin; block < end; ++block) {
      walk.blocks(block * width, width, x, y);
      task(workspace, x, y);
    }
  });
}

/// One line at a time, if there are too few for a block, or if a single one is as fast and needs no transposing.
template <class T>
int64_t block_width(const FftPlan<T>& plan, const FftLines<T>& lines, bool adjacent) {
  const bool few = 4 * lines.count <= lanes<T>;
  return few || (adjacent && fills_vectors_alone(plan)) ? 1 : lanes<T>;
}

template <bool back, class T>
void complex_to_complex(const FftPlan<T>& plan, const FftLines<T>& lines, T scale) {
  const bool adjacent = lines.x_stride == 2 && lines.y_stride == 2, through = is_framed_by_twos(plan);
  const int64_t width = block_width(plan, lines, adjacent);
  each_block(lines, workspace_points(plan), width, [&](const Workspace<T>& workspace, Block<const T>& x, Block<T>& y) {
    x.step = lines.x_stride;
    y.step = lines.y_stride;
    x.part = y.part = 1;
    if (through && width == 1 && adjacent)
      return transform_through(plan, width, PairSource<T, back>{x.at[0]}, PairSink<T, back>{y.at[0], scale}, workspace);
    if (through && x.layout() == Layout::Columns && y.layout() == Layout::Columns)
      return transform_through(plan, width, ColumnSource<T, back>{x.at[0], x.step},
                               ColumnSink<T, back>{y.at[0], y.step, scale}, workspace);
    Split<T> line = workspace.first(), other = workspace.second();
    load_block(x, plan.n, width, back ? line.exchanged() : line);
    transform(plan, width, line, other);
    store_block(back ? line.exchanged() : line, plan.n, width, scale, y);
  });
}
template <class T>
void complex_to_complex(const FftPlan<T>& plan, const FftLines<T>& lines, bool forward, T scale) {
  if (forward)
    complex_to_complex<false>(plan, lines, scale);
  else
    complex_to_complex<true>(plan, lines, scale);
}

/// Of odd length: as complex numbers.
template <class T>
void odd_real_to_complex(const FftPlan<T>& plan, const FftLines<T>& lines, T scale, T outer) {
  const int64_t width = block_width(plan, lines, false);
  each_block(lines, workspace_points(plan), width, [&](const Workspace<T>& workspace, Block<const T>& x, Block<T>& y) {
    x.step = lines.x_stride;
    x.part = 0;
    y.step = lines.y_stride;
    y.part = 1;
    Split<T> line = workspace.first(), other = workspace.second();
    load_block(x, plan.n, width, line);
    for (int64_t i = 0; i < plan.n * width; ++i) line.im[i] = T(0);
    transform(plan, width, line, other);
    for (int64_t i = 0; i < width; ++i) line.re[i] *= outer, line.im[i] = T(0);
    store_block(line, plan.n / 2 + 1, width, scale, y);
  });
}

template <class T>
void odd_complex_to_real(const FftPlan<T>& plan, const FftLines<T>& lines, T scale, T outer) {
  const int64_t width = block_width(plan, lines, false), half = plan.n / 2;
  each_block(lines, workspace_points(plan), width, [&](const Workspace<T>& workspace, Block<const T>& x, Block<T>& y) {
    x.step = lines.x_stride;
    x.part = 1;
    y.step = lines.y_stride;
    y.part = 0;
    Split<T> line = workspace.first(), other = workspace.second();
    load_block(x, half + 1, width, line);
    for (int64_t i = 0; i < width; ++i) line.re[i] *= outer, line.im[i] = T(0);
    for (int64_t k = 1; k <= half; ++k)
      for (int64_t i = 0; i < width; ++i) {
        line.re[(plan.n - k) * width + i] = line.re[k * width + i];
        line.im[(plan.n - k) * width + i] = -line.im[k * width + i];
      }
    // Backward: the parts are exchanged, so the real numbers are the second ones.
    Split<T> exchanged = line.exchanged(), rest = other.exchanged();
    transform(plan, width, exchanged, rest);
    store_block(Split<T>{exchanged.im, exchanged.im}, plan.n, width, scale, y);
  });
}

template <class T>
void real_to_complex(const FftRealPlan<T>& real, const FftLines<T>& lines, T scale, T inner) {
  const FftPlan<T>& plan = *real.complex;
  const T outer = T(1) / inner;
  scale *= inner;
  if (real.n % 2) return odd_real_to_complex(plan, lines, scale, outer);
  const bool adjacent = lines.x_stride == 1 && lines.y_stride == 2;
  const int64_t width = block_width(plan, lines, adjacent), h = plan.n;
  const bool direct = adjacent && width == 1 && is_framed_by_twos(plan);
  scale *= T(0.5);
  each_block(lines, workspace_points(plan, 1), width,
             [&](const Workspace<T>& workspace, Block<const T>& x, Block<T>& y) {
               x.step = 2 * lines.x_stride;
               x.part = lines.x_stride;
               y.step = lines.y_stride;
               y.part = 1;
               if (direct) {
                 Split<T> line = transform_from(plan, width, PairSource<T, false>{x.at[0]}, workspace);
                 return real_forward(real, width, line, outer, PairSink<T, false>{y.at[0], scale});
               }
               Split<T> line = workspace.first(), other = workspace.second();
               load_block(x, h, width, line);
               transform(plan, width, line, other);
               real_forward(real, width, line, outer, other);
               store_block(other, h + 1, width, scale, y);
             });
}

template <class T>
void complex_to_real(const FftRealPlan<T>& real, const FftLines<T>& lines, T scale, T inner) {
  const FftPlan<T>& plan = *real.complex;
  const T outer = T(1) / inner;
  scale *= inner;
  if (real.n % 2) return odd_complex_to_real(plan, lines, scale, outer);
  const bool adjacent = lines.x_stride == 2 && lines.y_stride == 1;
  const int64_t width = block_width(plan, lines, adjacent), h = plan.n;
  const bool direct = adjacent && width == 1 && is_framed_by_twos(plan);
  each_block(
      lines, workspace_points(plan, 1), width, [&](const Workspace<T>& workspace, Block<const T>& x, Block<T>& y) {
        x.step = lines.x_stride;
        x.part = 1;
        y.step = 2 * lines.y_stride;
        y.part = lines.y_stride;
        Split<T> spectrum = workspace.second(), line = workspace.first();
        if (direct) {
          real_backward(real, width, PairSource<T, false>{x.at[0]}, outer, line);
          return transform_to(plan, width, line.exchanged(), spectrum.exchanged(), PairSink<T, true>{y.at[0], scale});
        }
        load_block(x, h + 1, width, spectrum);
        real_backward(real, width, spectrum, outer, line);
        Split<T> exchanged = line.exchanged(), other = spectrum.exchanged();
        transform(plan, width, exchanged, other);
        store_block(exchanged.exchanged(), h, width, scale, y);
      });
}

template <class T>
void fill_for(FftFunctions<T>& k) {
  k.complex_to_complex = complex_to_complex<T>;
  k.real_to_complex = real_to_complex<T>;
  k.complex_to_real = complex_to_real<T>;
}

}  // namespace

void fill(FftKernels& k) {
  fill_for(k.float32);
  fill_for(k.float64);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
