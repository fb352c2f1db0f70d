#pragma once

// The transforms of Winograd's F(4x4, 3x3) (Lavin and Gray 2016): with Y the 4 x 4 results, d the 6 x 6 elements under
// them and g the 3 x 3 kernel, Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, 36 multiplications in the place of 144.
//
// The interpolation points are 0, ±a, ±b and infinity with a = 3/4, b = 3/2. The usual 0, ±1, ±2 would save a few
// multiplications and double the rounding error. All functions transform the columns of a matrix of vectors, whose rows
// are `step` vectors apart; called twice, with the steps exchanged, they transform both sides.

#include "kernels/cpu/level.h"

namespace ondol::kernel::ONDOL_LEVEL {

inline constexpr int winograd_outputs = 4, winograd_inputs = 6, winograd_points = 36;

using WinogradVector = Vec<float>;

namespace winograd {

inline constexpr float a = 0.75f, b = 1.5f, a2 = a * a, b2 = b * b;

/// to = Bᵀ from: 6 -> 6.
inline void from_input(const WinogradVector* from, int64_t step, WinogradVector* to, int64_t to_step) {
  using V = WinogradVector;
  const V d0 = from[0], d1 = from[step], d2 = from[2 * step], d3 = from[3 * step], d4 = from[4 * step],
          d5 = from[5 * step];
  const V even_a = d4 - b2 * d2, odd_a = a * (d3 - b2 * d1), even_b = d4 - a2 * d2, odd_b = b * (d3 - a2 * d1);
  to[0] = d4 - (a2 + b2) * d2 + a2 * b2 * d0;
  to[to_step] = even_a + odd_a;
  to[2 * to_step] = even_a - odd_a;
  to[3 * to_step] = even_b + odd_b;
  to[4 * to_step] = even_b - odd_b;
  to[5 * to_step] = d5 - (a2 + b2) * d3 + a2 * b2 * d1;
}

/// to = G from: 3 -> 6.
inline void from_kernel(const WinogradVector* from, int64_t step, WinogradVector* to, int64_t to_step) {
  using V = WinogradVector;
  constexpr float at_zero = 1 / (a2 * b2), at_a = 1 / (2 * a2 * (a2 - b2)), at_b = 1 / (2 * b2 * (b2 - a2));
  const V g0 = from[0], g1 = from[step], g2 = from[2 * step];
  const V even_a = at_a * (g0 + a2 * g2), odd_a = (at_a * a) * g1, even_b = at_b * (g0 + b2 * g2),
          odd_b = (at_b * b) * g1;
  to[0] = at_zero * g0;
  to[to_step] = even_a + odd_a;
  to[2 * to_step] = even_a - odd_a;
  to[3 * to_step] = even_b + odd_b;
  to[4 * to_step] = even_b - odd_b;
  to[5 * to_step] = g2;
}

/// to = Gᵀ from: 6 -> 3, the gradient of from_kernel.
inline void to_kernel(const WinogradVector* from, int64_t step, WinogradVector* to, int64_t to_step) {
  using V = WinogradVector;
  constexpr float at_zero = 1 / (a2 * b2), at_a = 1 / (2 * a2 * (a2 - b2)), at_b = 1 / (2 * b2 * (b2 - a2));
  const V sum_a = from[step] + from[2 * step], difference_a = from[step] - from[2 * step];
  const V sum_b = from[3 * step] + from[4 * step], difference_b = from[3 * step] - from[4 * step];
  to[0] = at_zero * from[0] + at_a * sum_a + at_b * sum_b;
  to[to_step] = (at_a * a) * difference_a + (at_b * b) * difference_b;
  to[2 * to_step] = (at_a * a2) * sum_a + (at_b * b2) * sum_b + from[5 * step];
}

/// to = Aᵀ from: 6 -> 4.
inline void to_output(const WinogradVector* from, int64_t step, WinogradVector* to, int64_t to_step) {
  using V = WinogradVector;
  const V sum_a = from[step] + from[2 * step], difference_a = from[step] - from[2 * step];
  const V sum_b = from[3 * step] + from[4 * step], difference_b = from[3 * step] - from[4 * step];
  to[0] = from[0] + sum_a + sum_b;
  to[to_step] = a * difference_a + b * difference_b;
  to[2 * to_step] = a2 * sum_a + b2 * sum_b;
  to[3 * to_step] = (a2 * a) * difference_a + (b2 * b) * difference_b + from[5 * step];
}

/// to = A from: 4 -> 6, the gradient of to_output.
inline void from_output(const WinogradVector* from, int64_t step, WinogradVector* to, int64_t to_step) {
  using V = WinogradVector;
  const V y0 = from[0], y1 = from[step], y2 = from[2 * step], y3 = from[3 * step];
  const V even_a = y0 + a2 * y2, odd_a = a * (y1 + a2 * y3), even_b = y0 + b2 * y2, odd_b = b * (y1 + b2 * y3);
  to[0] = y0;
  to[to_step] = even_a + odd_a;
  to[2 * to_step] = even_a - odd_a;
  to[3 * to_step] = even_b + odd_b;
  to[4 * to_step] = even_b - odd_b;
  to[5 * to_step] = y3;
}

}  // namespace winograd
}  // namespace ondol::kernel::ONDOL_LEVEL
