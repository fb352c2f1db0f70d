#pragma once

// A real signal of n = 2 h points as a complex one of h: z[j] = x[2j] + i x[2j + 1] (Press et al., Numerical Recipes,
// 3rd edition, section 12.3.2). With Z the transform of z, E and O those of the even and the odd points of x, and
// w = exp(-2 pi i / n): Z = E + i O and X[k] = E[k] + w^k O[k], where E and O of -k are the conjugates of those of k.

#include "kernels/cpu/fft_pass.h"
#include "kernels/fft_plan.h"

namespace ondol::kernel::ONDOL_LEVEL {

template <class V>
struct Mirrored {
  Pair<V> at, mirror;  // of k and of h - k
};

/// 2 X from Z.
template <class V>
inline Mirrored<V> spectrum_of_real(Pair<V> z, Pair<V> mirror, Pair<V> root) {
  Pair<V> even = {z.re + mirror.re, z.im - mirror.im}, difference = {z.re - mirror.re, z.im + mirror.im};
  Pair<V> odd = root * times_minus_i(difference);
  Pair<V> other = even - odd;
  return {even + odd, {other.re, -other.im}};
}
/// 2 Z from X.
template <class V>
inline Mirrored<V> spectrum_of_pairs(Pair<V> x, Pair<V> mirror, Pair<V> root) {
  Pair<V> even = {x.re + mirror.re, x.im - mirror.im}, difference = {x.re - mirror.re, x.im + mirror.im};
  Pair<V> turned = times_i(difference * Pair<V>{root.re, -root.im});
  Pair<V> other = even - turned;
  return {even + turned, {other.re, -other.im}};
}

/// Calls step(k, h - k, root) with V for k = 1, 2, ... up to h / 2: for single lines vectors of successive k, whose
/// mirror images run downwards from h - k.
template <class T, class Step>
inline void each_mirrored(const FftRealPlan<T>& plan, int64_t width, Step step) {
  using V = Vec<T>;
  const int64_t h = plan.n / 2, half = h / 2;
  int64_t k = 1;
  if (width == 1) {
    for (; k + lanes<T> - 1 <= half; k += lanes<T>)
      step.template operator()<V>(k, h - k - (lanes<T> - 1), Pair<V>{load(plan.root_re + k), load(plan.root_im + k)});
    for (; k <= half; ++k) step.template operator()<T>(k, h - k, Pair<T>{plan.root_re[k], plan.root_im[k]});
    return;
  }
  for (; k <= half; ++k)
    step.template operator()<V>(k, h - k, Pair<V>{broadcast(plan.root_re[k]), broadcast(plan.root_im[k])});
}

/// Mirror images come in falling order; in lines side by side and for plain numbers each is by itself.
template <class V>
inline Pair<V> turned_round(Pair<V> value, int64_t width) {
  if constexpr (Number<V>)
    return value;
  else
    return width == 1 ? Pair<V>{reversed(value.re), reversed(value.im)} : value;
}

/// h + 1 numbers from h: 2 X from Z, the first and the last of them times `outer`.
template <class T, class Sink>
void real_forward(const FftRealPlan<T>& plan, int64_t width, Split<T> z, T outer, Sink x) {
  const int64_t h = plan.n / 2;
  auto ends = [&]<class V>(int64_t i) {
    Pair<V> first = z.template get<V>(i);
    x.template set<V>(i, Pair<V>{(first.re + first.im) * (2 * outer), V{}});
    x.template set<V>(h * width + i, Pair<V>{(first.re - first.im) * (2 * outer), V{}});
  };
  if (width == 1)
    ends.template operator()<T>(0);
  else
    ends.template operator()<Vec<T>>(0);
  each_mirrored(plan, width, [&]<class V>(int64_t k, int64_t mirror, Pair<V> root) {
    Mirrored<V> both =
        spectrum_of_real(z.template get<V>(k * width), turned_round(z.template get<V>(mirror * width), width), root);
    x.template set<V>(k * width, both.at);
    x.template set<V>(mirror * width, turned_round(both.mirror, width));
  });
}

/// h numbers from h + 1: 2 Z from X, of which the first and the last count `outer` times.
template <class T, class Source>
void real_backward(const FftRealPlan<T>& plan, int64_t width, Source x, T outer, Split<T> z) {
  const int64_t h = plan.n / 2;
  auto ends = [&]<class V>(int64_t i) {
    // The transform of a real signal is real there, so imaginary parts do not count.
    V first = x.template get<V>(i).re, last = x.template get<V>(h * width + i).re;
    z.template set<V>(i, Pair<V>{(first + last) * outer, (first - last) * outer});
  };
  if (width == 1)
    ends.template operator()<T>(0);
  else
    ends.template operator()<Vec<T>>(0);
  each_mirrored(plan, width, [&]<class V>(int64_t k, int64_t mirror, Pair<V> root) {
    Mirrored<V> both =
        spectrum_of_pairs(x.template get<V>(k * width), turned_round(x.template get<V>(mirror * width), width), root);
    z.template set<V>(k * width, both.at);
    z.template set<V>(mirror * width, turned_round(both.mirror, width));
  });
}

}  // namespace ondol::kernel::ONDOL_LEVEL
