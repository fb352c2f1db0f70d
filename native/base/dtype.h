#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>

namespace ondol {

/// Element types, in PyTorch's order of promotion within a category.
enum class Dtype : uint8_t { Bool, U8, I8, I16, I32, I64, F16, BF16, F32, F64, C64, C128 };
inline constexpr int kDtypeCount = 12;

enum class Category : uint8_t { Bool, Integral, Floating, Complex };

/// A half-precision number, IEEE binary16; arithmetic is done in float.
struct Half {
  uint16_t bits;
};
/// The upper half of a float.
struct BFloat16 {
  uint16_t bits;
};

using c64 = std::complex<float>;
using c128 = std::complex<double>;

constexpr size_t item_size(Dtype d) {
  constexpr uint8_t sizes[] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[static_cast<int>(d)];
}
constexpr Category category(Dtype d) {
  if (d == Dtype::Bool) return Category::Bool;
  if (d <= Dtype::I64) return Category::Integral;
  return d <= Dtype::F64 ? Category::Floating : Category::Complex;
}
constexpr bool is_floating(Dtype d) { return category(d) == Category::Floating; }
constexpr bool is_complex(Dtype d) { return category(d) == Category::Complex; }
/// Bool and integers.
constexpr bool is_integral(Dtype d) { return d <= Dtype::I64; }
constexpr bool is_differentiable(Dtype d) { return d >= Dtype::F16; }

/// "float32", "int64", ...
const char* name(Dtype d);
/// PyTorch's C++ names, which appear in its messages: "Float", "Long", ...
const char* torch_name(Dtype d);

constexpr Dtype to_complex(Dtype d) { return d == Dtype::F64 || d == Dtype::C128 ? Dtype::C128 : Dtype::C64; }
/// The dtype of the absolute value.
constexpr Dtype to_real(Dtype d) { return d == Dtype::C64 ? Dtype::F32 : d == Dtype::C128 ? Dtype::F64 : d; }

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
