// Discrete Fourier transforms: complex to complex, real to half complex, half complex to real. Each is linear, so its
// derivative is the adjoint transform, the one in the other direction with the same factor.

#include <cmath>

#include "kernels/table.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

template <class T>
const kernel::FftFunctions<T>& transforms() {
  if constexpr (std::is_same_v<T, float>)
    return kernel::table().fft.float32;
  else
    return kernel::table().fft.float64;
}

/// The lines of x and y along dim. Dimensions that lie behind each other in both count as one.
struct LineGeometry {
  Dims sizes, x_strides, y_strides;
  int64_t count = 1, x_stride, y_stride;

  LineGeometry(const Tensor& x, const Tensor& y, int64_t dim) {
    const int64_t x_unit = is_complex(x.dtype()) ? 2 : 1, y_unit = is_complex(y.dtype()) ? 2 : 1;
    x_stride = x.stride(dim) * x_unit;
    y_stride = y.stride(dim) * y_unit;
    for (int64_t d = 0; d < x.ndim(); ++d) {
      const int64_t size = x.size(d), x_step = x.stride(d) * x_unit, y_step = y.stride(d) * y_unit;
      if (d == dim || size == 1) continue;
      count *= size;
      if (!sizes.empty() && x_strides.back() == size * x_step && y_strides.back() == size * y_step) {
        sizes.back() *= size;
        x_strides.back() = x_step;
        y_strides.back() = y_step;
      } else {
        sizes.push_back(size);
        x_strides.push_back(x_step);
        y_strides.push_back(y_step);
      }
    }
  }
  template <class T>
  kernel::FftLines<T> lines(const Tensor& x, const Tensor& y) const {
    return {reinterpret_cast<const T*>(x.bytes()),
            reinterpret_cast<T*>(y.bytes()),
            x_stride,
            y_stride,
            count,
            sizes.ssize(),
            sizes.data(),
            x_strides.data(),
            y_strides.data()};
  }
};

/// Calls run(functions, lines) for the lines of x and y along dim, which have `points` points.
template <class Run>
void transform_lines(const Tensor& x, const Tensor& y, int64_t dim, int64_t points, Run run) {
  const LineGeometry geometry(x, y, dim);
  const auto work = static_cast<int64_t>(static_cast<double>(geometry.count) * static_cast<double>(points) * 8);
  launch({{&x}, {&y}}, work, [&] {
    visit_floating(to_real(x.dtype()), [&](auto tag) {
      using T = typename decltype(tag)::type;
      run(transforms<T>(), geometry.lines<T>(x, y));
    });
  });
}

/// How results are scaled, by PyTorch's numbers.
enum Normalization : int64_t { kNone = 0, kByRoot = 1, kBySize = 2 };

double scale_of(int64_t normalization, double points) {
  return normalization == kNone ? 1.0 : normalization == kByRoot ? 1.0 / std::sqrt(points) : 1.0 / points;
}

/// The dimensions counted from the front, the last first: its lines lie most closely together.
Dims checked_dims(const Tensor& self, const Dims& dims, int64_t normalization) {
  if (normalization < kNone || normalization > kBySize)
    runtime_error("Unsupported normalization type ", normalization, "; use 0, 1 or 2");
  Dims wrapped = wrap_dims(dims, self.ndim());
  for (int64_t dim : wrapped)
    if (self.size(dim) < 1) runtime_error("Invalid number of data points (", self.size(dim), ") specified");
  return wrapped;
}
void check_complex(const char* name, const Tensor& self) {
  if (self.dtype() != Dtype::C64 && self.dtype() != Dtype::C128)
    runtime_error(name, " expects a complex input tensor, but got ", ondol::name(self.dtype()));
}
void check_transformable(const char* name, const Dims& dims) {
  if (dims.empty()) runtime_error(name, " must transform at least one axis");
}

double points_of(const Tensor& self, const Dims& dims) {
  double points = 1;
  for (int64_t dim : dims) points *= static_cast<double>(self.size(dim));
  return points;
}

/// Along each of the dims, from x to y and then within y; `scale` comes in with the last one. y holds x's values
/// already if they are the same tensor.
void complex_steps(const Tensor& x, const Tensor& y, const Dims& dims, bool forward, double scale) {
  const Tensor* source = &x;
  for (int64_t i = dims.ssize() - 1; i >= 0; --i) {
    const int64_t dim = dims[static_cast<size_t>(i)], points = x.size(dim);
    transform_lines(*source, y, dim, points, [&](const auto& functions, const auto& lines) {
      using T = std::remove_cvref_t<decltype(*lines.y)>;
      functions.complex_to_complex(*kernel::fft_plan<T>(points), lines, forward, static_cast<T>(i == 0 ? scale : 1.0));
    });
    source = &y;
  }
}

Tensor complex_to_complex(const Tensor& self, const Dims& dim, int64_t normalization, bool forward) {
  check_complex("_fft_c2c", self);
  const Dims dims = checked_dims(self, dim, normalization);
  if (dims.empty()) return clone(self);
  Tensor result = empty(self.sizes(), self.dtype());
  if (result.numel() > 0) complex_steps(self, result, dims, forward, scale_of(normalization, points_of(self, dims)));
  if (needs_gradient(self))
    record("FftC2CBackward0", result, {self}, [dims, normalization, forward](const Tensor& gradient, Gradients& in) {
      in[0] = complex_to_complex(gradient, dims, normalization, !forward);
    });
  return result;
}

// In the transforms of real signals a bin stands for its mirror image as well, unless it is its own. So the adjoint of
// one is the other with those bins doubled or halved: `inner` times.

Tensor complex_to_real(const Tensor& self, const Dims& dims, int64_t normalization, int64_t size, double inner);

Tensor real_to_complex(const Tensor& self, const Dims& dims, int64_t normalization, double inner) {
  const int64_t last = dims.back(), points = self.size(last);
  Dims sizes = self.sizes(), others(dims.begin(), dims.end() - 1);
  sizes[static_cast<size_t>(last)] = points / 2 + 1;
  Tensor result = empty(sizes, to_complex(self.dtype()));
  if (result.numel() > 0) {
    const double scale = scale_of(normalization, points_of(self, dims));
    transform_lines(self, result, last, points, [&](const auto& functions, const auto& lines) {
      using T = std::remove_cvref_t<decltype(*lines.y)>;
      functions.real_to_complex(*kernel::fft_real_plan<T>(points), lines, static_cast<T>(scale), static_cast<T>(inner));
    });
    complex_steps(result, result, others, true, 1.0);
  }
  if (needs_gradient(self))
    record("FftR2CBackward0", result, {self},
           [dims, normalization, points, inner](const Tensor& gradient, Gradients& in) {
             in[0] = complex_to_real(gradient, dims, normalization, points, inner / 2);
           });
  return result;
}

Tensor complex_to_real(const Tensor& self, const Dims& dims, int64_t normalization, int64_t size, double inner) {
  const int64_t last = dims.back();
  const Dims others(dims.begin(), dims.end() - 1);
  Dims sizes = self.sizes();
  sizes[static_cast<size_t>(last)] = size;
  Tensor result = empty(sizes, to_real(self.dtype()));
  if (result.numel() > 0) {
    const double scale = scale_of(normalization, points_of(result, dims));
    Tensor half = self;
    if (!others.empty()) {
      half = empty(self.sizes(), self.dtype());
      complex_steps(self, half, others, false, 1.0);
    }
    transform_lines(half, result, last, size, [&](const auto& functions, const auto& lines) {
      using T = std::remove_cvref_t<decltype(*lines.y)>;
      functions.complex_to_real(*kernel::fft_real_plan<T>(size), lines, static_cast<T>(scale), static_cast<T>(inner));
    });
  }
  if (needs_gradient(self))
    record("FftC2RBackward0", result, {self}, [dims, normalization, inner](const Tensor& gradient, Gradients& in) {
      in[0] = real_to_complex(gradient, dims, normalization, 2 * inner);
    });
  return result;
}

Tensor checked_real_to_complex(const Tensor& self, const Dims& dim, int64_t normalization, bool onesided) {
  if (self.dtype() != Dtype::F32 && self.dtype() != Dtype::F64)
    runtime_error("_fft_r2c expects a tensor of float32 or float64, but got ", name(self.dtype()));
  const Dims dims = checked_dims(self, dim, normalization);
  check_transformable("_fft_r2c", dims);
  if (!onesided) return complex_to_complex(to_dtype(self, to_complex(self.dtype())), dims, normalization, true);
  return real_to_complex(self, dims, normalization, 1.0);
}

Tensor checked_complex_to_real(const Tensor& self, const Dims& dim, int64_t normalization, int64_t last_dim_size) {
  check_complex("_fft_c2r", self);
  const Dims dims = checked_dims(self, dim, normalization);
  check_transformable("_fft_c2r", dims);
  if (last_dim_size < 1) runtime_error("Invalid number of data points (", last_dim_size, ") specified");
  const int64_t bins = last_dim_size / 2 + 1;
  if (self.size(dims.back()) != bins)
    runtime_error("_fft_c2r: a signal of ", last_dim_size, " points has ", bins, " bins, but the input has ",
                  self.size(dims.back()));
  return complex_to_real(self, dims, normalization, last_dim_size, 1.0);
}

}  // namespace

void register_fft(Registry& r) {
  r.add("_fft_c2c(Tensor self, int[] dim, int normalization, bool forward) -> Tensor", complex_to_complex);
  r.add("_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor", checked_real_to_complex);
  r.add("_fft_c2r(Tensor self, int[] dim, int normalization, int last_dim_size) -> Tensor", checked_complex_to_real);
}

}  // namespace ondol
