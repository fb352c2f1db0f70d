#include "base/dtype.h"

namespace ondol {

const char* name(Dtype d) {
  constexpr const char* names[] = {"bool",    "uint8",    "int8",    "int16",       "int32",         "int64",
                                   "float16", "bfloat16", "float32", "float64",     "complex64",     "complex128",
                                   "uint16",  "uint32",   "uint64",  "float8_e5m2", "float8_e4m3fn", "complex32"};
  static_assert(sizeof(names) / sizeof(names[0]) == kDtypeCount);
  return names[static_cast<int>(d)];
}

const char* torch_name(Dtype d) {
  constexpr const char* names[] = {"Bool",   "Byte",     "Char",   "Short",       "Int",           "Long",
                                   "Half",   "BFloat16", "Float",  "Double",      "ComplexFloat",  "ComplexDouble",
                                   "UInt16", "UInt32",   "UInt64", "Float8_e5m2", "Float8_e4m3fn", "ComplexHalf"};
  static_assert(sizeof(names) / sizeof(names[0]) == kDtypeCount);
  return names[static_cast<int>(d)];
}

}  // namespace ondol
