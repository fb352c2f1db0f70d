#pragma once

#include "base/dtype.h"
#include "base/error.h"

namespace ondol {

/// A Python number.
class Scalar {
 public:
  Scalar() : Scalar(int64_t{0}) {}
  Scalar(bool value) : category_(Category::Bool), integer_(value) {}
  Scalar(int value) : Scalar(static_cast<int64_t>(value)) {}
  Scalar(int64_t value) : category_(Category::Integral), integer_(value) {}
  /// An element of uint64, which int64 may not hold.
  static Scalar of_unsigned(uint64_t value) {
    Scalar scalar(static_cast<int64_t>(value));
    scalar.beyond_int64_ = scalar.integer_ < 0;
    return scalar;
  }
  Scalar(double value) : category_(Category::Floating), real_(value) {}
  Scalar(c128 value) : category_(Category::Complex), real_(value.real()), imaginary_(value.imag()) {}

  Category category() const { return category_; }
  bool is_integral() const { return category_ <= Category::Integral; }
  bool is_complex() const { return category_ == Category::Complex; }

  double to_double() const {
    if (is_complex() && imaginary_ != 0) runtime_error("value cannot be converted to type double without overflow");
    if (beyond_int64_) return static_cast<double>(static_cast<uint64_t>(integer_));
    return is_integral() ? static_cast<double>(integer_) : real_;
  }
  bool beyond_int64() const { return beyond_int64_; }
  /// The lowest 64 bits of an integer.
  uint64_t bits() const { return static_cast<uint64_t>(integer_); }
  int64_t to_int() const {
    if (beyond_int64_) runtime_error("value cannot be converted to type int64_t without overflow");
    if (is_integral()) return integer_;
    // The conversion of a value beyond the range of int64 is undefined in C++.
    if (!(real_ >= -9223372036854775808.0 && real_ < 9223372036854775808.0))
      runtime_error("value cannot be converted to type int64_t without overflow");
    return static_cast<int64_t>(real_);
  }
  c128 to_complex() const { return is_integral() ? c128(to_double()) : c128(real_, imaginary_); }
  bool to_bool() const { return is_integral() ? integer_ != 0 : (real_ != 0 || imaginary_ != 0); }

  /// The dtype of a tensor made from it: bool, int64, the given default floating dtype or its complex counterpart.
  Dtype dtype(Dtype default_dtype) const {
    switch (category_) {
      case Category::Bool:
        return Dtype::Bool;
      case Category::Integral:
        return Dtype::I64;
      case Category::Floating:
        return default_dtype;
      default:
        return ondol::to_complex(default_dtype);
    }
  }

 private:
  Category category_;
  bool beyond_int64_ = false;  // the integer is an unsigned one of 2^63 or more
  int64_t integer_ = 0;
  double real_ = 0;
  double imaginary_ = 0;
};

std::ostream& operator<<(std::ostream& stream, const Scalar& scalar);

}  // namespace ondol
