#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>

namespace ondol {

/// Element types: those that PyTorch computes with, in its order of promotion within a category; then those that it
/// stores and converts.
enum class Dtype : uint8_t {
  // clang-format off
  Bool, U8, I8, I16, I32, I64, F16, BF16, F32, F64, C64, C128,
  U16, U32, U64, F8E5M2, F8E4M3, C32,
  // clang-format on
};
inline constexpr int kDtypeCount = 18;

enum class Category : uint8_t { Bool, Integral, Floating, Complex };

/// A half-precision number, IEEE binary16; arithmetic is done in float.
struct Half {
  uint16_t bits;
};
/// The upper half of a float.
struct BFloat16 {
  uint16_t bits;
};

/// The 8-bit numbers of Micikevicius et al. 2022, "FP8 formats for deep learning": 5 bits of exponent and 2 of
/// mantissa; or 4 and 3, without infinities.
struct Float8E5M2 {
  uint8_t bits;
};
struct Float8E4M3 {
  uint8_t bits;
};

using c64 = std::complex<float>;
using c128 = std::complex<double>;

constexpr size_t item_size(Dtype d) {
  constexpr uint8_t sizes[kDtypeCount] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16, 2, 4, 8, 1, 1, 4};
  return sizes[static_cast<int>(d)];
}
/// Without arithmetic: PyTorch has next to no operations on them but conversion, copies and views.
constexpr bool is_storage_only(Dtype d) { return d >= Dtype::U16 && d <= Dtype::F8E4M3; }
constexpr bool is_wide_unsigned(Dtype d) { return d >= Dtype::U16 && d <= Dtype::U64; }
constexpr bool is_unsigned(Dtype d) { return d == Dtype::U8 || is_wide_unsigned(d); }
constexpr bool is_float8(Dtype d) { return d == Dtype::F8E5M2 || d == Dtype::F8E4M3; }
/// Bool and integers.
constexpr bool is_integral(Dtype d) { return d <= Dtype::I64 || is_wide_unsigned(d); }
constexpr bool is_complex(Dtype d) { return d == Dtype::C64 || d == Dtype::C128 || d == Dtype::C32; }
constexpr bool is_floating(Dtype d) { return !is_integral(d) && !is_complex(d); }
constexpr bool is_differentiable(Dtype d) { return !is_integral(d); }
constexpr Category category(Dtype d) {
  if (d == Dtype::Bool) return Category::Bool;
  if (is_integral(d)) return Category::Integral;
  return is_complex(d) ? Category::Complex : Category::Floating;
}

/// "float32", "int64", ...
const char* name(Dtype d);
/// PyTorch's C++ names, which appear in its messages: "Float", "Long", ...
const char* torch_name(Dtype d);

constexpr Dtype to_complex(Dtype d) { return d == Dtype::F64 || d == Dtype::C128 ? Dtype::C128 : Dtype::C64; }
/// The dtype of the absolute value.
constexpr Dtype to_real(Dtype d) {
  return d == Dtype::C64 ? Dtype::F32 : d == Dtype::C128 ? Dtype::F64 : d == Dtype::C32 ? Dtype::F16 : d;
}

template <class T>
struct DtypeOf;
template <>
struct DtypeOf<bool> {
  static constexpr Dtype value = Dtype::Bool;
};
template <>
struct DtypeOf<uint8_t> {
  static constexpr Dtype value = Dtype::U8;
};
template <>
struct DtypeOf<int8_t> {
  static constexpr Dtype value = Dtype::I8;
};
template <>
struct DtypeOf<int16_t> {
  static constexpr Dtype value = Dtype::I16;
};
template <>
struct DtypeOf<int32_t> {
  static constexpr Dtype value = Dtype::I32;
};
template <>
struct DtypeOf<int64_t> {
  static constexpr Dtype value = Dtype::I64;
};
template <>
struct DtypeOf<Half> {
  static constexpr Dtype value = Dtype::F16;
};
template <>
struct DtypeOf<BFloat16> {
  static constexpr Dtype value = Dtype::BF16;
};
template <>
struct DtypeOf<float> {
  static constexpr Dtype value = Dtype::F32;
};
template <>
struct DtypeOf<double> {
  static constexpr Dtype value = Dtype::F64;
};
template <>
struct DtypeOf<c64> {
  static constexpr Dtype value = Dtype::C64;
};
template <>
struct DtypeOf<c128> {
  static constexpr Dtype value = Dtype::C128;
};
template <class T>
inline constexpr Dtype dtype_of = DtypeOf<T>::value;

}  // namespace ondol
