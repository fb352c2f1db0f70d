// Complex numbers: their parts, and tensors of pairs of real numbers seen as complex ones.
//
// There are no formulas here for an instruction set: complex loops are plain ones (pointwise_operation.h).

#ifndef ONDOL_LEVEL
#include "ops/pointwise/pointwise_operation.h"

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

static Tensor part(const Tensor& x, int64_t which, const char* node) {
  Dims strides = x.strides();
  for (int64_t& stride : strides) stride *= 2;
  Tensor result = view_of_storage(x.storage(), x.sizes(), strides, x.impl()->offset * 2 + which, to_real(x.dtype()));
  TensorImpl* impl = result.impl();
  impl->base = x.impl()->base ? x.impl()->base : x.ref();
  impl->opaque_view = true;
  impl->seen_version = x.version();
  if (needs_gradient(x))
    record(node, result, {x}, [which](const Tensor& g, Gradients& in) {
      Tensor nothing = expand(scalar_tensor(0, g.dtype()), g.sizes());
      in[0] = which ? complex(nothing, g) : complex(g, nothing);
    });
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
  return view_as_complex(stack({expand(re, shape), expand(im, shape)}, -1));
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
