#pragma once

// From a dtype known at run time to the C++ type of its elements.

#include "base/dtype.h"
#include "base/error.h"
#include "base/half.h"

namespace ondol {

template <class T>
struct TypeTag {
  using type = T;
};

/// Calls f(TypeTag<T>()) with T the type of the elements.
template <class F>
decltype(auto) visit_dtype(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::Bool:
      return f(TypeTag<bool>());
    case Dtype::U8:
      return f(TypeTag<uint8_t>());
    case Dtype::I8:
      return f(TypeTag<int8_t>());
    case Dtype::I16:
      return f(TypeTag<int16_t>());
    case Dtype::I32:
      return f(TypeTag<int32_t>());
    case Dtype::I64:
      return f(TypeTag<int64_t>());
    case Dtype::F16:
      return f(TypeTag<Half>());
    case Dtype::BF16:
      return f(TypeTag<BFloat16>());
    case Dtype::F32:
      return f(TypeTag<float>());
    case Dtype::F64:
      return f(TypeTag<double>());
    case Dtype::C64:
      return f(TypeTag<c64>());
    case Dtype::C128:
      return f(TypeTag<c128>());
    default:
      not_implemented("this operation is not implemented for '", torch_name(dtype), "'; convert the tensor first");
  }
}

/// The same by size alone, for code that only moves elements.
template <class F>
decltype(auto) visit_item_size(Dtype dtype, F&& f) {
  switch (item_size(dtype)) {
    case 1:
      return f(TypeTag<uint8_t>());
    case 2:
      return f(TypeTag<uint16_t>());
    case 4:
      return f(TypeTag<uint32_t>());
    case 8:
      return f(TypeTag<uint64_t>());
    default:
      return f(TypeTag<c128>());
  }
}

/// What arithmetic on an element is done in: float for the two halves.
inline float widened(Half x) { return to_float(x); }
inline float widened(BFloat16 x) { return to_float(x); }
template <class T>
T widened(T x) {
  return x;
}
/// And back.
template <class T, class A>
T narrowed(A x) {
  if constexpr (std::is_same_v<T, Half>)
    return to_half(static_cast<float>(x));
  else if constexpr (std::is_same_v<T, BFloat16>)
    return to_bfloat16(static_cast<float>(x));
  else
    return static_cast<T>(x);
}

}  // namespace ondol
