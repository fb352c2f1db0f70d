// Images at arbitrary places of a plane: bilinear and nearest grid_sample (Jaderberg et al. 2015), forward and
// backward. nn/functional/grid.py makes one differentiable function of them.

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

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

/// Two neighbouring pixels of each of two rows.
template <class T>
using Square [[gnu::vector_size(4 * sizeof(T)), gnu::aligned(sizeof(T)), gnu::may_alias]] = T;

/// Lanes of x (0 to 3) and y (4 to 7).
template <int a, int b, int c, int d, class Vector>
[[gnu::always_inline]] inline void choose_lanes(const Vector& x, const Vector& y, Vector& chosen) {
#if defined(__clang__)
  chosen = __builtin_shufflevector(x, y, a, b, c, d);
#else
  chosen = __builtin_shuffle(x, y, decltype(x < y){a, b, c, d});
#endif
}
/// The sums of lanes 0 and 2 and lanes 1 and 3 of x, then those of y.
template <class Vector>
[[gnu::always_inline]] inline void add_halves(const Vector& x, const Vector& y, Vector& sums) {
  Vector low, high;
  choose_lanes<0, 1, 4, 5>(x, y, low);
  choose_lanes<2, 3, 6, 7>(x, y, high);
  sums = low + high;
}
/// The sums of neighbouring lanes of x, then those of y.
template <class Vector>
[[gnu::always_inline]] inline void add_neighbours(const Vector& x, const Vector& y, Vector& sums) {
  Vector even, odd;
  choose_lanes<0, 2, 4, 6>(x, y, even);
  choose_lanes<1, 3, 5, 7>(x, y, odd);
  sums = even + odd;
}

/// A place whose four taps all lie inside: where the first one is, and the four weights.
template <class T>
struct Corner {
  int64_t at;  // -1: for the taps to tell, some lie outside or there is one only
  T weights[kTaps];
};

/// What the places of one image read: corners where that is enough, taps for the others.
template <class T>
struct Readings {
  std::unique_ptr<Corner<T>[]> corners;
  std::unique_ptr<Tap<T>[]> taps;

  Readings(const T* grid, const Shape& s, const Sampling& how)
      : corners(std::make_unique_for_overwrite<Corner<T>[]>(static_cast<size_t>(s.places()))),
        taps(std::make_unique_for_overwrite<Tap<T>[]>(static_cast<size_t>(s.places() * kTaps))) {
    const T last_left = T(s.width - 2), last_top = T(s.height - 2);
    parallel_for(s.places(), 2048, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T x = place_of(grid[2 * i], s.width, how).at, y = place_of(grid[2 * i + 1], s.height, how).at;
        const T left = std::floor(x), top = std::floor(y), dx = x - left, dy = y - top;
        Corner<T>& corner = corners[i];
        if (how.interpolation == Interpolation::Bilinear && left >= 0 && left <= last_left && top >= 0 &&
            top <= last_top) {
          corner = {static_cast<int64_t>(top) * s.width + static_cast<int64_t>(left),
                    {(1 - dx) * (1 - dy), dx * (1 - dy), (1 - dx) * dy, dx * dy}};
        } else {
          corner.at = -1;
          taps_of(grid + 2 * i, s, how, taps.get() + i * kTaps);
        }
      }
    });
  }
};

template <class T>
T sum_of_taps(const T* plane, const Tap<T>* tap) {
  T sum = 0;
  for (int k = 0; k < kTaps; ++k)
    if (tap[k].at >= 0) sum += tap[k].weight * plane[tap[k].at];
  return sum;
}

/// The products of the four pixels from `corner` on, two of each row, with their weights.
template <class T, class Vector>
[[gnu::always_inline]] inline void multiply(const T* plane, int64_t width, const Corner<T>& corner, Vector& products) {
  const T* top = plane + corner.at;
  Vector pixels;
  if constexpr (sizeof(T) == 4) {  // two loads of two pixels, which are no numbers meanwhile
    using Halves [[gnu::vector_size(16)]] = double;
    double of_top, of_bottom;
    std::memcpy(&of_top, top, 8);
    std::memcpy(&of_bottom, top + width, 8);
    pixels = (Vector)Halves{of_top, of_bottom};
  } else {
    pixels = Vector{top[0], top[1], top[width], top[width + 1]};
  }
  products = pixels * *reinterpret_cast<const Vector*>(corner.weights);
}

template <class T>
void sample_plane(const T* plane, const Shape& s, const Readings<T>& readings, T* out) {
  using Vector = Square<T>;
  const int64_t width = s.width, places = s.places();
  const Corner<T>* corners = readings.corners.get();
  const auto single = [&](int64_t i) {
    if (corners[i].at < 0) return sum_of_taps(plane, readings.taps.get() + i * kTaps);
    Vector each;
    multiply(plane, width, corners[i], each);
    return (each[0] + each[2]) + (each[1] + each[3]);
  };
  int64_t i = 0;
  for (; i + 4 <= places; i += 4) {
    if ((corners[i].at | corners[i + 1].at | corners[i + 2].at | corners[i + 3].at) < 0) {
      for (int64_t j = i; j < i + 4; ++j) out[j] = single(j);
      continue;
    }
    Vector a, b, c, d;
    multiply(plane, width, corners[i], a);
    multiply(plane, width, corners[i + 1], b);
    multiply(plane, width, corners[i + 2], c);
    multiply(plane, width, corners[i + 3], d);
    // In the order of `single`.
    Vector ab, cd, sums;
    add_halves(a, b, ab);
    add_halves(c, d, cd);
    add_neighbours(ab, cd, sums);
    *reinterpret_cast<Vector*>(out + i) = sums;
  }
  for (; i < places; ++i) out[i] = single(i);
}

/// image(n) for each, on several threads if there are enough of them; otherwise an image may use several.
template <class F>
void for_images(const Shape& s, F&& image) {
  const int64_t grain = s.batch < num_threads() ? s.batch : grain_for(16384, s.channels, s.places());
  if (grain >= s.batch) {
    for (int64_t n = 0; n < s.batch; ++n) image(n);
    return;
  }
  parallel_for(s.batch, grain, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) image(n);
  });
}

template <class T>
void sample_images(const T* x, const T* grid, T* y, const Shape& s, const Sampling& how) {
  for_images(s, [&](int64_t n) {
    const Readings<T> readings(grid + n * s.places() * 2, s, how);
    parallel_for(s.channels, grain_for(16384, s.places()), [&](int64_t begin, int64_t end) {
      for (int64_t c = n * s.channels + begin; c < n * s.channels + end; ++c)
        sample_plane(x + c * s.pixels(), s, readings, y + c * s.places());
    });
  });
}

/// gx gets what each sample took from its pixels; one thread a plane, so that the order of the sums is fixed.
template <class T>
void spread_plane(const T* g, const Shape& s, const Readings<T>& readings, T* plane) {
  const int64_t width = s.width, places = s.places();
  const Corner<T>* corners = readings.corners.get();
  std::fill(plane, plane + s.pixels(), T(0));
  for (int64_t i = 0; i < places; ++i) {
    const Corner<T>& corner = corners[i];
    if (corner.at >= 0) {
      T *top = plane + corner.at, *bottom = top + width;
      top[0] += corner.weights[0] * g[i];
      top[1] += corner.weights[1] * g[i];
      bottom[0] += corner.weights[2] * g[i];
      bottom[1] += corner.weights[3] * g[i];
      continue;
    }
    const Tap<T>* tap = readings.taps.get() + i * kTaps;
    for (int k = 0; k < kTaps; ++k)
      if (tap[k].at >= 0) plane[tap[k].at] += tap[k].weight * g[i];
  }
}
template <class T>
void spread_images(const T* gy, const T* grid, T* gx, const Shape& s, const Sampling& how) {
  for_images(s, [&](int64_t n) {
    const Readings<T> readings(grid + n * s.places() * 2, s, how);
    parallel_for(s.channels, 1 + 4096 / s.places(), [&](int64_t begin, int64_t end) {
      for (int64_t c = n * s.channels + begin; c < n * s.channels + end; ++c)
        spread_plane(gy + c * s.places(), s, readings, gx + c * s.pixels());
    });
  });
}

/// sums[i] gets, for the places [begin, end), g times each of the four pixels of a place, added up over the channels.
template <class T>
void sum_over_channels(const T* g, const T* image, const Shape& s, const Readings<T>& readings, int64_t begin,
                       int64_t end, T (*sums)[kTaps]) {
  const int64_t width = s.width;
  for (int64_t c = 0; c < s.channels; ++c, g += s.places(), image += s.pixels())
    for (int64_t i = begin; i < end; ++i) {
      T* sum = sums[i - begin];
      if (const int64_t at = readings.corners[i].at; at >= 0) {
        const T *top = image + at, *bottom = top + width;
        sum[0] += g[i] * top[0];
        sum[1] += g[i] * top[1];
        sum[2] += g[i] * bottom[0];
        sum[3] += g[i] * bottom[1];
        continue;
      }
      const Tap<T>* tap = readings.taps.get() + i * kTaps;
      for (int k = 0; k < kTaps; ++k)
        if (tap[k].at >= 0) sum[k] += g[i] * image[tap[k].at];
    }
}

/// The gradient of the two numbers of a place, from what sum_over_channels found.
template <class T>
void gradient_of_place(const T* grid, const Shape& s, const Sampling& how, const Readings<T>& readings, int64_t i,
                       const T* sums, T* out) {
  T by_x = 0, by_y = 0;
  if (readings.corners[i].at >= 0) {
    const Place<T> x = place_of(grid[0], s.width, how), y = place_of(grid[1], s.height, how);
    const T dx = x.at - std::floor(x.at), dy = y.at - std::floor(y.at);
    by_x = ((sums[1] - sums[0]) * (1 - dy) + (sums[3] - sums[2]) * dy) * x.slope;
    by_y = ((sums[2] - sums[0]) * (1 - dx) + (sums[3] - sums[1]) * dx) * y.slope;
  } else {
    const Tap<T>* taps = readings.taps.get() + i * kTaps;
    for (int k = 0; k < kTaps; ++k) {
      if (taps[k].at < 0) continue;
      by_x += taps[k].by_x * sums[k];
      by_y += taps[k].by_y * sums[k];
    }
  }
  out[2 * i] = by_x;
  out[2 * i + 1] = by_y;
}

template <class T>
void grid_gradient(const T* gy, const T* x, const T* grid, T* g_grid, const Shape& s, const Sampling& how) {
  for_images(s, [&](int64_t n) {
    const T* places = grid + n * s.places() * 2;
    T* out = g_grid + n * s.places() * 2;
    const Readings<T> readings(places, s, how);
    parallel_for(s.places(), 1 + 4096 / s.channels, [&](int64_t begin, int64_t end) {
      std::vector<T> memory(static_cast<size_t>((end - begin) * kTaps));
      auto* sums = reinterpret_cast<T(*)[kTaps]>(memory.data());
      sum_over_channels(gy + n * s.channels * s.places(), x + n * s.channels * s.pixels(), s, readings, begin, end,
                        sums);
      for (int64_t i = begin; i < end; ++i)
        gradient_of_place(places + 2 * i, s, how, readings, i, sums[i - begin], out);
    });
  });
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
