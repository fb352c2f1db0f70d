// Images at arbitrary places of a plane: bilinear and nearest grid_sample (Jaderberg et al. 2015), forward and
// backward. nn/functional/grid.py makes one differentiable function of them.

#include <cmath>

#include "base/parallel.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

enum class Interpolation { Bilinear, Nearest };
enum class Outside { Zeros, Border, Reflection };

Interpolation parse_interpolation(std::string_view word) {
  if (word == "bilinear") return Interpolation::Bilinear;
  if (word == "nearest") return Interpolation::Nearest;
  not_implemented("grid_sampler_2d(): mode '", word, "' has no native kernel: use 'bilinear' or 'nearest'");
}
Outside parse_outside(std::string_view word) {
  if (word == "zeros") return Outside::Zeros;
  if (word == "border") return Outside::Border;
  if (word == "reflection") return Outside::Reflection;
  value_error("grid_sampler_2d(): expected padding_mode to be 'zeros', 'border' or 'reflection', got '", word, "'");
}

struct Sampling {
  Interpolation interpolation;
  Outside outside;
  bool align_corners;
};

struct Shape {
  int64_t batch, channels, height, width, out_height, out_width;

  int64_t pixels() const { return height * width; }
  int64_t places() const { return out_height * out_width; }
};

/// A place along one axis in pixels, and its derivative with respect to the number in the grid.
template <class T>
struct Place {
  T at, slope;
};

template <class T>
Place<T> clip(Place<T> place, int64_t size) {
  if (place.at <= 0) return {T(0), T(0)};
  if (place.at >= T(size - 1)) return {T(size - 1), T(0)};
  return place;  // NaN too: it hits no pixel
}

/// Mirrored at both ends of [low, low + span] until it is inside.
template <class T>
Place<T> reflect(Place<T> place, T low, T span) {
  if (span == 0) return {T(0), T(0)};
  const T from_low = place.at - low, distance = std::abs(from_low), flips = std::floor(distance / span);
  const T rest = distance - flips * span, sign = from_low < 0 ? T(-1) : T(1);
  const bool even = std::fmod(flips, T(2)) == 0;
  return even ? Place<T>{rest + low, place.slope * sign} : Place<T>{span - rest + low, -place.slope * sign};
}

template <class T>
Place<T> place_of(T number, int64_t size, const Sampling& how) {
  Place<T> place = how.align_corners ? Place<T>{(number + 1) / 2 * T(size - 1), T(size - 1) / 2}
                                     : Place<T>{((number + 1) * T(size) - 1) / 2, T(size) / 2};
  if (how.outside == Outside::Border) return clip(place, size);
  if (how.outside == Outside::Reflection) {
    const T low = how.align_corners ? T(0) : T(-0.5), span = how.align_corners ? T(size - 1) : T(size);
    return clip(reflect(place, low, span), size);
  }
  return place;
}

/// A pixel that a sample is made of: where it lies in its plane (-1: outside), how much it counts, and how that changes
/// with the two numbers of the grid.
template <class T>
struct Tap {
  int64_t at;
  T weight, by_x, by_y;
};
constexpr int kTaps = 4;

template <class T>
int64_t position(T x, T y, const Shape& s) {
  const bool inside = x >= 0 && x <= T(s.width - 1) && y >= 0 && y <= T(s.height - 1);  // false for NaN
  return inside ? static_cast<int64_t>(y) * s.width + static_cast<int64_t>(x) : -1;
}

template <class T>
void taps_of(const T* grid, const Shape& s, const Sampling& how, Tap<T>* taps) {
  const Place<T> x = place_of(grid[0], s.width, how), y = place_of(grid[1], s.height, how);
  if (how.interpolation == Interpolation::Nearest) {
    taps[0] = {position(std::nearbyint(x.at), std::nearbyint(y.at), s), T(1), T(0), T(0)};
    taps[1] = taps[2] = taps[3] = {-1, T(0), T(0), T(0)};
    return;
  }
  const T left = std::floor(x.at), top = std::floor(y.at), dx = x.at - left, dy = y.at - top;
  taps[0] = {position(left, top, s), (1 - dx) * (1 - dy), -(1 - dy) * x.slope, -(1 - dx) * y.slope};
  taps[1] = {position(left + 1, top, s), dx * (1 - dy), (1 - dy) * x.slope, -dx * y.slope};
  taps[2] = {position(left, top + 1, s), (1 - dx) * dy, -dy * x.slope, (1 - dx) * y.slope};
  taps[3] = {position(left + 1, top + 1, s), dx * dy, dy * x.slope, dx * y.slope};
}

/// The taps of all places of one image.
template <class T>
std::vector<Tap<T>> all_taps(const T* grid, const Shape& s, const Sampling& how) {
  std::vector<Tap<T>> taps(static_cast<size_t>(s.places() * kTaps));
  parallel_for(s.places(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) taps_of(grid + 2 * i, s, how, taps.data() + i * kTaps);
  });
  return taps;
}

template <class T>
void sample_images(const T* x, const T* grid, T* y, const Shape& s, const Sampling& how) {
  for (int64_t n = 0; n < s.batch; ++n) {
    const std::vector<Tap<T>> taps = all_taps(grid + n * s.places() * 2, s, how);
    parallel_for(s.channels, 1 + 4096 / s.places(), [&](int64_t begin, int64_t end) {
      for (int64_t c = n * s.channels + begin; c < n * s.channels + end; ++c) {
        const T* plane = x + c * s.pixels();
        T* out = y + c * s.places();
        for (int64_t i = 0; i < s.places(); ++i) {
          const Tap<T>* tap = taps.data() + i * kTaps;
          T sum = 0;
          for (int k = 0; k < kTaps; ++k)
            if (tap[k].at >= 0) sum += tap[k].weight * plane[tap[k].at];
          out[i] = sum;
        }
      }
    });
  }
}

/// gx gets what each sample took from its pixels; one thread a plane, so that the order of the sums is fixed.
template <class T>
void spread_images(const T* gy, const T* grid, T* gx, const Shape& s, const Sampling& how) {
  for (int64_t n = 0; n < s.batch; ++n) {
    const std::vector<Tap<T>> taps = all_taps(grid + n * s.places() * 2, s, how);
    parallel_for(s.channels, 1 + 4096 / s.places(), [&](int64_t begin, int64_t end) {
      for (int64_t c = n * s.channels + begin; c < n * s.channels + end; ++c) {
        T* plane = gx + c * s.pixels();
        const T* g = gy + c * s.places();
        std::fill(plane, plane + s.pixels(), T(0));
        for (int64_t i = 0; i < s.places(); ++i) {
          const Tap<T>* tap = taps.data() + i * kTaps;
          for (int k = 0; k < kTaps; ++k)
            if (tap[k].at >= 0) plane[tap[k].at] += tap[k].weight * g[i];
        }
      }
    });
  }
}

template <class T>
void grid_gradient(const T* gy, const T* x, const T* grid, T* g_grid, const Shape& s, const Sampling& how) {
  for (int64_t n = 0; n < s.batch; ++n) {
    const T *image = x + n * s.channels * s.pixels(), *g = gy + n * s.channels * s.places();
    const T* places = grid + n * s.places() * 2;
    T* out = g_grid + n * s.places() * 2;
    parallel_for(s.places(), 1 + 4096 / s.channels, [&](int64_t begin, int64_t end) {
      Tap<T> taps[kTaps];
      for (int64_t i = begin; i < end; ++i) {
        taps_of(places + 2 * i, s, how, taps);
        T by_x = 0, by_y = 0;
        for (int k = 0; k < kTaps; ++k) {
          if (taps[k].at < 0) continue;
          T sum = 0;
          for (int64_t c = 0; c < s.channels; ++c) sum += g[c * s.places() + i] * image[c * s.pixels() + taps[k].at];
          by_x += taps[k].by_x * sum;
          by_y += taps[k].by_y * sum;
        }
        out[2 * i] = by_x;
        out[2 * i + 1] = by_y;
      }
    });
  }
}

Shape shape_of(const Tensor& input, const Tensor& grid) {
  const Dims &x = input.sizes(), &g = grid.sizes();
  if (x.size() != 4 || g.size() != 4 || g[3] != 2 || x[0] != g[0])
    shape_error("grid_sampler_2d(): expected an input (N, C, H, W) and a grid (N, H', W', 2), got ", x, " and ", g);
  if (!is_floating(input.dtype()) || input.dtype() != grid.dtype())
    runtime_error("grid_sampler(): expected input and grid to have same floating dtype, but input has ",
                  name(input.dtype()), " and grid has ", name(grid.dtype()));
  if (x[1] * x[2] * x[3] == 0)
    runtime_error("grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ", x);
  return {x[0], x[1], x[2], x[3], g[1], g[2]};
}

/// Runs kernel(pointers...) on contiguous copies of the tensors in the computing dtype; the last one is the result.
template <class Kernel>
Tensor computed(Dtype dtype, const Dims& sizes, std::initializer_list<Tensor> inputs, int64_t work, Kernel kernel) {
  NoGrad silent;
  const Dtype compute = reduction_dtype(dtype);
  std::vector<Tensor> sources;
  for (const Tensor& input : inputs) sources.push_back(contiguous(to_dtype(detach(input), compute)));
  Tensor result = empty(sizes, compute);
  if (result.numel() > 0)
    launch({{}, {&result}}, work, [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        std::vector<const T*> from;
        for (const Tensor& source : sources) from.push_back(source.data<T>());
        kernel(from, result.data<T>());
      });
    });
  return to_dtype(result, dtype);
}

Sampling parse_sampling(std::string_view mode, std::string_view padding_mode, bool align_corners) {
  return {parse_interpolation(mode), parse_outside(padding_mode), align_corners};
}

Tensor grid_sampler_2d(const Tensor& input, const Tensor& grid, std::string_view mode, std::string_view padding_mode,
                       bool align_corners) {
  const Sampling how = parse_sampling(mode, padding_mode, align_corners);
  const Shape s = shape_of(input, grid);
  Tensor result = computed(input.dtype(), {s.batch, s.channels, s.out_height, s.out_width}, {input, grid},
                           8 * s.batch * s.channels * s.places(),
                           [&](const auto& from, auto* to) { sample_images(from[0], from[1], to, s, how); });
  if (needs_gradient(input, grid)) record_not_differentiable("grid_sampler_2d", result, {input, grid});
  return result;
}

std::tuple<Tensor, Tensor> grid_sampler_2d_backward(const Tensor& gradient, const Tensor& input, const Tensor& grid,
                                                    std::string_view mode, std::string_view padding_mode,
                                                    bool align_corners) {
  const Sampling how = parse_sampling(mode, padding_mode, align_corners);
  const Shape s = shape_of(input, grid);
  if (gradient.sizes() != Dims{s.batch, s.channels, s.out_height, s.out_width})
    shape_error("grid_sampler_2d_backward(): expected a gradient of shape ",
                Dims{s.batch, s.channels, s.out_height, s.out_width}, ", got ", gradient.sizes());
  const int64_t work = 8 * s.batch * s.channels * s.places();
  Tensor of_input = computed(input.dtype(), input.sizes(), {gradient, grid}, work,
                             [&](const auto& from, auto* to) { spread_images(from[0], from[1], to, s, how); });
  Tensor of_grid = computed(input.dtype(), grid.sizes(), {gradient, input, grid}, work,
                            [&](const auto& from, auto* to) { grid_gradient(from[0], from[1], from[2], to, s, how); });
  return {of_input, of_grid};
}

}  // namespace

void register_grid_sample(Registry& r) {
  r.add(
      "nn.grid_sampler_2d(Tensor input, Tensor grid, str mode='bilinear', str padding_mode='zeros', bool "
      "align_corners=False) -> Tensor",
      grid_sampler_2d);
  r.add(
      "nn.grid_sampler_2d_backward(Tensor gradient, Tensor input, Tensor grid, str mode='bilinear', str "
      "padding_mode='zeros', bool align_corners=False) -> (Tensor, Tensor)",
      grid_sampler_2d_backward);
}

}  // namespace ondol
