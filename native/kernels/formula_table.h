#pragma once

#include <cstdint>

namespace ondol {

/// n elements of contiguous operands, each of the computing type; `scalar[i]` says that operand i is one value for all.
/// The result may be one of the operands.
using PointwiseLoop = void (*)(const void* const* operands, const bool* scalar, void* result, int64_t n,
                               const double* parameters);

namespace kernel {

/// The loops of one formula of one instruction set.
struct FormulaEntry {
  const char* name;
  bool predicate;  // writes bool
  PointwiseLoop f32;
  PointwiseLoop f64;
  PointwiseLoop i64;  // null where the formula does not hold for integers
  PointwiseLoop u8;   // for bool and uint8, which otherwise compute in int64
};

/// The formulas of the files in ops/pointwise, a list a file.
struct FormulaKernels {
  struct List {
    const FormulaEntry* entries;
    int count;
  };
  List lists[24];
  int count;

  template <int n>
  void add(const FormulaEntry (&entries)[n]) {
    lists[count++] = {entries, n};
  }
};

}  // namespace kernel
}  // namespace ondol
