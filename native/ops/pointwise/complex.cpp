// Complex numbers: their parts, and tensors of pairs of real numbers seen as complex ones.
//
// There are no formulas here for an instruction set: complex loops are plain ones (pointwise_operation.h).

#ifndef ONDOL_LEVEL
#include "base/parallel.h"
#include "base/vectorize.h"
#include "ops/element_type.h"
#include "ops/pointwise/pointwise_operation.h"
#include "tensor/launch.h"

namespace ondol {

Tensor sgn(const Tensor& x) {
  if (!is_complex(x.dtype())) return sign(x);
  static const Pointwise f = [] {
    Pointwise made;
    made.name = "sgn";
    made.c128 = complex_loop([](c128 z) { return z == 0.0 ? z : z / std::abs(z); });
    return made;
  }();
  return differentiable_unary("SgnBackward0", kInput | kOutput, unary(f, x), x,
                              [](const Tensor& g, const Tensor& z, const Tensor& s) {
                                // d sgn = (dz - s Re(conj(s) dz)) / |z|
                                Tensor size = abs(z), tangent = div(sub(g, mul(s, real(mul(conj(s), g)))), size);
                                return where(eq(size, wrapped_number(0)), scalar_tensor(0, g.dtype()), tangent);
                              });
}

Tensor conj(const Tensor& x) {
  if (!is_complex(x.dtype())) return x;
  static const Pointwise f = [] {
    Pointwise made;
    made.name = "conj";
    made.c128 = complex_loop([](c128 z) { return std::conj(z); });
    return made;
  }();
  return differentiable_unary("ConjBackward0", kNothing, unary(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor&) { return conj(g); });
}

template <class T>
[[gnu::always_inline]] inline void interleave_loop(const T* re, const T* im, T* z, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    z[2 * i] = re[i];
    z[2 * i + 1] = im[i];
  }
}
template <class T>
ONDOL_VECTORIZE ONDOL_WIDE static void interleave_wide(const T* re, const T* im, T* z, int64_t n) {
  interleave_loop(re, im, z, n);
}
template <class T>
static void interleave_plain(const T* re, const T* im, T* z, int64_t n) {
  interleave_loop(re, im, z, n);
}

/// The complex tensor of two real ones of the same shape and dtype; a part that is not defined is 0.
static Tensor from_parts(const Tensor& re, const Tensor& im) {
  constexpr int64_t kBlock = 1024;  // elements: a block of zeros stays in the first-level cache
  const Tensor& given = re.defined() ? re : im;
  Tensor result = empty(given.sizes(), to_complex(given.dtype()));
  {
    NoGrad silent;
    Tensor x = re.defined() ? contiguous(detach(re)) : Tensor(), y = im.defined() ? contiguous(detach(im)) : Tensor();
    launch({{}, {&result}}, 2 * result.numel(), [&] {
      visit_item_size(given.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        static constexpr T zeros[kBlock] = {};
        const auto interleave = wide_vectors() ? interleave_wide<T> : interleave_plain<T>;
        auto part_at = [](const Tensor& part, int64_t i) {
          return part.defined() ? reinterpret_cast<const T*>(part.bytes()) + i : zeros;
        };
        T* z = reinterpret_cast<T*>(result.bytes());
        parallel_for(result.numel(), 16384, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; i += kBlock)
            interleave(part_at(x, i), part_at(y, i), z + 2 * i, std::min(kBlock, end - i));
        });
      });
    });
  }
  if (needs_gradient(given) || (im.defined() && needs_gradient(im))) {
    std::vector<Tensor> parts{given};
    if (re.defined() && im.defined()) parts.push_back(im);
    record("ComplexBackward0", {result}, parts, [first = re.defined()](std::span<const Tensor> g, Gradients& in) {
      if (in.wants(0)) in[0] = first ? real(g[0]) : imag(g[0]);
      if (in.size() > 1 && in.wants(1)) in[1] = imag(g[0]);
    });
  }
  return result;
}

static Tensor part(const Tensor& x, int64_t which, const char* node) {
  Dims strides = x.strides();
  for (int64_t& stride : strides) stride *= 2;
  Tensor result = view_of_storage(x.storage(), x.sizes(), strides, x.impl()->offset * 2 + which, to_real(x.dtype()));
  TensorImpl* impl = result.impl();
  impl->base = x.impl()->base ? x.impl()->base : x.ref();
  impl->opaque_view = true;
  impl->seen_version = x.version();
  if (needs_gradient(x))
    record(node, result, {x},
           [which](const Tensor& g, Gradients& in) { in[0] = which ? from_parts({}, g) : from_parts(g, {}); });
  return result;
}
Tensor real(const Tensor& x) { return is_complex(x.dtype()) ? part(x, 0, "RealBackward0") : x; }
Tensor imag(const Tensor& x) {
  if (!is_complex(x.dtype())) runtime_error("imag is not implemented for tensors with non-complex dtypes.");
  return part(x, 1, "ImagBackward0");
}

/// The same memory read as another dtype. Its history cannot be rebuilt from that of its base.
static Tensor reinterpreted(const Tensor& x, const Dims& sizes, const Dims& strides, int64_t offset, Dtype dtype) {
  Tensor result = view_of_storage(x.storage(), sizes, strides, offset, dtype);
  TensorImpl* impl = result.impl();
  impl->base = x.impl()->base ? x.impl()->base : x.ref();
  impl->opaque_view = true;
  impl->seen_version = x.version();
  return result;
}

Tensor view_as_real(const Tensor& x) {
  if (!is_complex(x.dtype())) runtime_error("view_as_real is only supported for complex tensors");
  Dims sizes = x.sizes(), strides = x.strides();
  for (int64_t& stride : strides) stride *= 2;
  sizes.push_back(2), strides.push_back(1);
  Tensor result = reinterpreted(x, sizes, strides, x.impl()->offset * 2, to_real(x.dtype()));
  if (needs_gradient(x))
    record("ViewAsRealBackward0", result, {x},
           [](const Tensor& g, Gradients& in) { in[0] = view_as_complex(contiguous(g)); });
  return result;
}

Tensor view_as_complex(const Tensor& x) {
  if (x.dtype() != Dtype::F32 && x.dtype() != Dtype::F64)
    runtime_error("view_as_complex is only supported for float and double tensors, but got a tensor of scalar type: ",
                  torch_name(x.dtype()));
  if (x.ndim() == 0) runtime_error("Input tensor must have one or more dimensions");
  if (x.size(-1) != 2) runtime_error("Tensor must have a last dimension of size 2");
  if (x.stride(-1) != 1) runtime_error("Tensor must have a last dimension with stride 1");
  Dims sizes = x.sizes(), strides = x.strides();
  sizes.pop_back(), strides.pop_back();
  for (int64_t& stride : strides) {
    if (stride % 2 != 0) runtime_error("Tensor must have a stride divisible by 2 for all but last dimension");
    stride /= 2;
  }
  if (x.impl()->offset % 2 != 0) runtime_error("Tensor must have a storage_offset divisible by 2");
  Tensor result = reinterpreted(x, sizes, strides, x.impl()->offset / 2, to_complex(x.dtype()));
  if (needs_gradient(x))
    record("ViewAsComplexBackward0", result, {x},
           [](const Tensor& g, Gradients& in) { in[0] = view_as_real(contiguous(g)); });
  return result;
}

static void check_parts(const char* operation, const char* first, const Tensor& a, const char* second,
                        const Tensor& b) {
  auto real_number = [](Dtype dtype) { return dtype == Dtype::F32 || dtype == Dtype::F64; };
  if (!real_number(a.dtype()) || !real_number(b.dtype()))
    runtime_error("Expected both inputs to be Float or Double tensors but got ", torch_name(a.dtype()), " and ",
                  torch_name(b.dtype()), " (", operation, ")");
  if (a.dtype() != b.dtype())
    runtime_error("Expected object of scalar type ", torch_name(a.dtype()), " but got scalar type ",
                  torch_name(b.dtype()), " for second argument (", operation, ": ", first, ", ", second, ")");
}
Tensor complex(const Tensor& re, const Tensor& im) {
  check_parts("complex", "real", re, "imag", im);
  Dims shape = broadcast_shapes(re.sizes(), im.sizes());
  return from_parts(expand(re, shape), expand(im, shape));
}
static Tensor polar(const Tensor& size, const Tensor& direction) {
  check_parts("polar", "abs", size, "angle", direction);
  return complex(mul(size, cos(direction)), mul(size, sin(direction)));
}

/// The argument of a complex number; of a real one 0 or pi, NaN of NaN.
Tensor angle(const Tensor& x) {
  static const Pointwise f = [] {
    Pointwise made = with_complex(plain_formula("angle", [](double v) { return v < 0    ? M_PI
                                                                               : v != v ? v
                                                                                        : 0.0; }),
                                  [](c128 z) { return std::arg(z); });
    made.real_result = true;
    return made;
  }();
  Dtype dtype = is_integral(x.dtype()) ? default_dtype() : x.dtype();
  Tensor y = evaluate_result(f, {&x, 1}, dtype, to_real(dtype));
  return differentiable_unary("AngleBackward0", kInput, y, x, [](const Tensor& g, const Tensor& z, const Tensor&) {
    if (!is_complex(z.dtype())) return zeros_like(z);
    // d arg z = Im(conj(z) dz) / |z|^2, taken as 0 at 0
    Tensor size = abs(z);
    Tensor turned = mul(div(z, squared(size)), wrapped_number(c128(0, 1)));
    return mul(g, masked(ne(size, wrapped_number(0)), turned));
  });
}

void register_complex(Registry& r) {
  r.add("sgn(Tensor self) -> Tensor", sgn, kInPlace);
  r.add("conj(Tensor self) -> Tensor", conj);
  r.add("conj_physical(Tensor self) -> Tensor", conj, kInPlaceByCopy);
  r.add("resolve_conj(Tensor self) -> Tensor", +[](const Tensor& x) { return x; });
  r.add("resolve_neg(Tensor self) -> Tensor", +[](const Tensor& x) { return x; });
  r.add("real(Tensor self) -> Tensor", real, kFunction);
  r.add("imag(Tensor self) -> Tensor", imag, kFunction);
  r.add("view_as_real(Tensor self) -> Tensor", view_as_real, kFunction);
  r.add("view_as_complex(Tensor self) -> Tensor", view_as_complex, kFunction);
  r.add("complex(Tensor real, Tensor imag) -> Tensor", complex);
  r.add("polar(Tensor abs, Tensor angle) -> Tensor", polar);
  r.add("angle(Tensor self) -> Tensor", angle);
}

}  // namespace ondol
#endif
