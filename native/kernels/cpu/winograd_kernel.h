#pragma once

// Kernels of 3 x 3 between the layout of PyTorch, [channels out, channels in, 3, 3], and the 36 points of Winograd's
// F(4x4, 3x3). A vector holds channels; the nine taps of a channel lie side by side, so squares are transposed.

#include "kernels/cpu/product_pack.h"
#include "kernels/cpu/winograd_transform.h"

namespace ondol::kernel::ONDOL_LEVEL {

inline constexpr int winograd_taps = 9;

/// A 3 x 3 kernel seen as [channels in, channels out] matrices of taps: tap t of (in, out) is
/// w[in * in_step + out * out_step + (flipped ? 8 - t : t)].
struct KernelView {
  const float* w;
  int64_t in, out, in_step, out_step;
  bool flipped;
};

inline void prefetch(const float* from, int64_t count) {
  for (int64_t i = 0; i < count; i += 64 / int64_t{sizeof(float)}) __builtin_prefetch(from + i);
}

/// The points of the kernels of `count` channels in, from `first` on, and the vector of channels out from `out` on:
/// point p of channel `first + i` goes to place(i) + p * point_step. `taps` is scratch for count * 9 vectors.
template <class Place>
void transform_kernels(const KernelView& k, int64_t first, int64_t count, int64_t out, float* taps, int64_t point_step,
                       Place place) {
  using V = WinogradVector;
  constexpr int L = lanes<float>;
  constexpr int64_t ahead = 4;  // rows that lie apart are fetched in time: the processor does not see that they come
  const int64_t together = k.in_step == winograd_taps ? count : 1;  // channels in whose taps follow each other
  for (int64_t i = 0; i < count; i += together) {
    const float* from = k.w + (first + i) * k.in_step + out * k.out_step;
    if (together == 1) prefetch(from + ahead * k.in_step, L * winograd_taps);
    pack_columns(from, k.out_step, L, together * winograd_taps, taps + i * winograd_taps * L, L);
  }
  for (int64_t i = 0; i < count; i++) {
    V own[winograd_taps], columns[winograd_inputs][3], points[winograd_inputs];
    for (int tap = 0; tap < winograd_taps; tap++)
      own[tap] = load(taps + (i * winograd_taps + (k.flipped ? winograd_taps - 1 - tap : tap)) * L);
    for (int c = 0; c < 3; c++) winograd::from_kernel(own + c, 3, &columns[0][c], 3);
    float* to = place(i);
    for (int r = 0; r < winograd_inputs; r++) {
      winograd::from_kernel(columns[r], 1, points, 1);
      for (int c = 0; c < winograd_inputs; c++) store(to + (r * winograd_inputs + c) * point_step, points[c]);
    }
  }
}

/// The gradient of the kernels of a vector of channels in, for one channel out, from that of their points, those of
/// point p at from + p * point_step: Gᵀ S G, to [lanes, 3, 3].
inline void untransform_kernels(const float* from, int64_t point_step, float* to) {
  using V = WinogradVector;
  constexpr int L = lanes<float>;
  V points[winograd_inputs][winograd_inputs], columns[3][winograd_inputs], taps[winograd_taps];
  for (int r = 0; r < winograd_inputs; r++)
    for (int c = 0; c < winograd_inputs; c++) points[r][c] = load(from + (r * winograd_inputs + c) * point_step);
  for (int c = 0; c < winograd_inputs; c++)
    winograd::to_kernel(&points[0][c], winograd_inputs, &columns[0][c], winograd_inputs);
  for (int r = 0; r < 3; r++) winograd::to_kernel(columns[r], 1, taps + 3 * r, 1);
#pragma GCC unroll 3
  for (int first = 0; first < winograd_taps; first += L) {
    const int n = winograd_taps - first < L ? winograd_taps - first : L;
    V square[L];
    for (int j = 0; j < L; j++) square[j] = j < n ? taps[first + j] : V{};
    transpose_square(square);
    for (int j = 0; j < L; j++) store_part(to + j * winograd_taps + first, square[j], n);
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
