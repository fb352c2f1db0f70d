#pragma once

#include "kernels/cpu/level.h"
#include "kernels/cpu/loops.h"
#include "kernels/formula_table.h"

// How a formula becomes an entry of the table: see the upper half of any file in ops/pointwise. A formula that also
// holds for integers says `static constexpr bool integers = true;` and its value() then gets int64_t as well. One that
// stays within bool and uint8 says `static constexpr bool bytes = true;` and gets uint8_t.

namespace ondol::kernel::ONDOL_LEVEL {

template <class Formula, class T>
void run_unary(const void* const* in, const bool*, void* out, int64_t n, const double* parameters) {
  unary_loop<Formula, T>(in[0], out, n, parameters);
}
template <class Formula, class T>
void run_binary(const void* const* in, const bool* scalar, void* out, int64_t n, const double* parameters) {
  binary_loop<Formula, T>(in[0], scalar[0], in[1], scalar[1], out, n, parameters);
}
template <class Formula, class T>
void run_ternary(const void* const* in, const bool* scalar, void* out, int64_t n, const double* parameters) {
  unsigned scalars = scalar[0] | scalar[1] << 1 | scalar[2] << 2;
  ternary_loop<Formula, T>(in[0], in[1], in[2], scalars, out, n, parameters);
}
template <class Formula, class T>
void run_unary_predicate(const void* const* in, const bool*, void* out, int64_t n, const double* parameters) {
  unary_predicate_loop<Formula, T>(in[0], out, n, parameters);
}
template <class Formula, class T>
void run_binary_predicate(const void* const* in, const bool* scalar, void* out, int64_t n, const double* parameters) {
  binary_predicate_loop<Formula, T>(in[0], scalar[0], in[1], scalar[1], out, n, parameters);
}

template <class Formula>
inline constexpr bool takes_integers = requires { requires Formula::integers; };

template <class Formula>
inline constexpr bool takes_bytes = requires { requires Formula::bytes; };

template <class Formula>
constexpr FormulaEntry unary(const char* name) {
  FormulaEntry entry{name, false, run_unary<Formula, float>, run_unary<Formula, double>, nullptr, nullptr};
  if constexpr (takes_integers<Formula>) entry.i64 = run_unary<Formula, int64_t>;
  return entry;
}
template <class Formula>
constexpr FormulaEntry binary(const char* name) {
  FormulaEntry entry{name, false, run_binary<Formula, float>, run_binary<Formula, double>, nullptr, nullptr};
  if constexpr (takes_integers<Formula>) entry.i64 = run_binary<Formula, int64_t>;
  if constexpr (takes_bytes<Formula>) entry.u8 = run_binary<Formula, uint8_t>;
  return entry;
}
template <class Formula>
constexpr FormulaEntry ternary(const char* name) {
  FormulaEntry entry{name, false, run_ternary<Formula, float>, run_ternary<Formula, double>, nullptr, nullptr};
  if constexpr (takes_integers<Formula>) entry.i64 = run_ternary<Formula, int64_t>;
  return entry;
}
template <class Formula>
constexpr FormulaEntry unary_predicate(const char* name) {
  FormulaEntry entry{name,    true,   run_unary_predicate<Formula, float>, run_unary_predicate<Formula, double>,
                     nullptr, nullptr};
  if constexpr (takes_integers<Formula>) entry.i64 = run_unary_predicate<Formula, int64_t>;
  if constexpr (takes_bytes<Formula>) entry.u8 = run_unary_predicate<Formula, uint8_t>;
  return entry;
}
template <class Formula>
constexpr FormulaEntry binary_predicate(const char* name) {
  FormulaEntry entry{name,    true,   run_binary_predicate<Formula, float>, run_binary_predicate<Formula, double>,
                     nullptr, nullptr};
  if constexpr (takes_integers<Formula>) entry.i64 = run_binary_predicate<Formula, int64_t>;
  if constexpr (takes_bytes<Formula>) entry.u8 = run_binary_predicate<Formula, uint8_t>;
  return entry;
}
/// A formula of integers alone, which stays within bool and uint8.
template <class Formula>
constexpr FormulaEntry binary_of_bits(const char* name) {
  return {name, false, nullptr, nullptr, run_binary<Formula, int64_t>, run_binary<Formula, uint8_t>};
}

}  // namespace ondol::kernel::ONDOL_LEVEL
