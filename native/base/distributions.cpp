#include "base/distributions.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <memory>
#include <mutex>
#include <numbers>
#include <type_traits>

#include "base/box_muller.h"
#include "base/half.h"
#include "base/parallel.h"
#include "base/vectorize.h"

// The words of the stream are drawn in blocks on the calling thread, then turned into elements, on several threads
// where that is expensive. The order of the words is that of the elements, so the result does not depend on the
// threads.

namespace ondol::random {
namespace {

constexpr int64_t kBlock = 1 << 14;      // elements
constexpr int64_t kSerial = kBlock + 1;  // a grain that keeps a block on the calling thread
constexpr int64_t kCostly = 512;         // the grain for logarithms and the like

template <class T>
inline constexpr bool is_16_bit = std::same_as<T, Half> || std::same_as<T, BFloat16>;

/// The significant bits of a real type.
template <class T>
inline constexpr int digits = std::same_as<T, Half>       ? 11
                              : std::same_as<T, BFloat16> ? 8
                                                          : std::numeric_limits<T>::digits;

template <class T, class V>
[[gnu::always_inline]] inline T to(V value) {
  if constexpr (std::same_as<T, Half>)
    return to_half(static_cast<float>(value));
  else if constexpr (std::same_as<T, BFloat16>)
    return to_bfloat16(static_cast<float>(value));
  else
    return static_cast<T>(value);
}

[[gnu::always_inline]] inline uint64_t join(const uint32_t* pair) {
  return static_cast<uint64_t>(pair[0]) << 32 | pair[1];
}
/// In [0, 1), with all the bits that the type has.
[[gnu::always_inline]] inline float unit_float(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word & 0xffffff)) * 0x1p-24f;
}
[[gnu::always_inline]] inline double unit_double(const uint32_t* pair) {
  return static_cast<double>(static_cast<int64_t>(join(pair) & ((uint64_t{1} << 53) - 1))) * 0x1p-53;
}

/// Calls body(words, begin, end) for ranges of [0, n), where words are those of element `begin`.
template <int kWordsEach, class Body>
void draw(Generator& generator, int64_t n, int64_t grain, Body body) {
  if (n <= 0) return;
  std::lock_guard lock(generator.mutex);
  const auto words = std::make_unique_for_overwrite<uint32_t[]>(std::min(n, kBlock) * kWordsEach);
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t size = std::min(kBlock, n - start);
    generator.random32(words.get(), size * kWordsEach);
    parallel_for(size, grain, [&](int64_t begin, int64_t end) {
      body(words.get() + begin * kWordsEach, start + begin, start + end);
    });
  }
}

/// out[i] = f(words of i), in a loop that vectorises if f does.
template <int kWordsEach, class T, class F>
void fill(Generator& generator, T* out, int64_t n, int64_t grain, F f) {
  draw<kWordsEach>(generator, n, grain, [&](const uint32_t* words, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i, words += kWordsEach) out[i] = f(words);
  });
}

/// Uniform numbers as PyTorch scales them, product and sum in one rounding.
[[gnu::always_inline]] inline void scale_units(const uint32_t* words, float* out, int64_t n, float from, float to) {
  const float range = to - from;
  for (int64_t i = 0; i < n; ++i) {
    const float value = __builtin_fmaf(unit_float(words[i]), range, from);
    out[i] = value == to ? from : value;  // rounding may reach the upper bound, which is excluded
  }
}
ONDOL_VECTORIZE ONDOL_WIDE void scale_units_wide(const uint32_t* words, float* out, int64_t n, float from, float to) {
  scale_units(words, out, n, from, to);
}
ONDOL_VECTORIZE void convert_units(const uint32_t* words, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = unit_float(words[i]);
}
void uniform_floats(const uint32_t* words, float* out, int64_t n, float from, float to) {
  if (from == 0 && to == 1) return convert_units(words, out, n);
  wide_vectors() ? scale_units_wide(words, out, n, from, to) : scale_units(words, out, n, from, to);
}
void uniform_floats(const uint32_t* words, double* out, int64_t n, double from, double to) {
  for (int64_t i = 0; i < n; ++i) {
    const double value = std::fma(unit_double(words + 2 * i), to - from, from);
    out[i] = value == to ? from : value;
  }
}

/// No and yes as elements: picked by index, because a branch on a random number is mispredicted half of the time.
template <class T>
struct Choice {
  T of[2] = {to<T>(0), to<T>(1)};
};

/// The type in which PyTorch computes.
template <class T>
using Wide = std::conditional_t<std::same_as<T, double>, double, float>;
template <class T>
inline constexpr int words_each = std::same_as<T, double> ? 2 : 1;

/// 16 * blocks normal numbers. The generator must be locked.
template <class T>
void normal_blocks(Generator& generator, T* out, int64_t blocks, double mean, double std) {
  using Real = Wide<T>;
  constexpr int64_t kMost = kBlock / 16;
  const int64_t buffered = std::min(blocks, kMost) * 16;
  const auto words = std::make_unique_for_overwrite<uint32_t[]>(buffered * words_each<T>);
  for (int64_t start = 0; start < blocks; start += kMost) {
    const int64_t count = std::min(kMost, blocks - start);
    generator.random32(words.get(), count * 16 * words_each<T>);
    parallel_for(count, kCostly / 16, [&](int64_t begin, int64_t end) {
      T* to = out + (start + begin) * 16;
      const uint32_t* from = words.get() + begin * 16 * words_each<T>;
      if constexpr (is_16_bit<T>) {
        float block[16];
        for (int64_t i = begin; i < end; ++i, to += 16, from += 16) {
          uniform_floats(from, block, 16, 0, 1);
          box_muller(block, 1, static_cast<float>(mean), static_cast<float>(std));
          convert(block, to, 16);
        }
      } else {
        uniform_floats(from, to, (end - begin) * 16, 0, 1);
        box_muller(to, end - begin, static_cast<Real>(mean), static_cast<Real>(std));
      }
    });
  }
}

}  // namespace

double next_normal(Generator& generator) {
  if (generator.next_double_normal) {
    const double value = *generator.next_double_normal;
    generator.next_double_normal.reset();
    return value;
  }
  uint32_t words[4];
  generator.random32(words, 4);
  const double radius = std::sqrt(-2 * std::log1p(-unit_double(words + 2)));
  const double angle = 2 * std::numbers::pi * unit_double(words);
  generator.next_double_normal = radius * std::sin(angle);
  return radius * std::cos(angle);
}

template <class T>
void uniform(Generator& generator, T* out, int64_t n, double from, double to_) {
  const auto low = static_cast<Wide<T>>(from), high = static_cast<Wide<T>>(to_);
  draw<words_each<T>>(generator, n, kSerial, [&](const uint32_t* words, int64_t begin, int64_t end) {
    if constexpr (is_16_bit<T>) {
      const uint16_t top = to<T>(high).bits;
      for (int64_t i = begin; i < end; ++i, ++words) {
        const T value = to<T>(std::fma(unit_float(*words), high - low, low));
        out[i] = value.bits == top ? to<T>(low) : value;
      }
    } else {
      uniform_floats(words, out + begin, end - begin, low, high);
    }
  });
}

template <class T>
void normal_serial(Generator& generator, T* out, int64_t n, double mean, double std) {
  std::lock_guard lock(generator.mutex);
  for (int64_t i = 0; i < n; ++i) out[i] = to<T>(next_normal(generator) * std + mean);
}

template <class T>
void normal(Generator& generator, T* out, int64_t n, double mean, double std) {
  if (n < 16) return normal_serial(generator, out, n, mean, std);
  std::lock_guard lock(generator.mutex);
  normal_blocks(generator, out, n / 16, mean, std);
  const int64_t rest = n % 16;
  if (rest == 0) return;
  if constexpr (!is_16_bit<T>) {
    uint32_t unused[32];  // PyTorch draws a number for each element before it sees that the last ones fill no block
    generator.random32(unused, rest * words_each<T>);
  }
  normal_blocks(generator, out + n - 16, 1, mean, std);
}

template <class T>
void log_normal(Generator& generator, T* out, int64_t n, double mean, double std) {
  std::lock_guard lock(generator.mutex);
  for (int64_t i = 0; i < n; ++i) out[i] = to<T>(std::exp(next_normal(generator) * std + mean));
}

template <class T>
void cauchy(Generator& generator, T* out, int64_t n, double median, double sigma) {
  fill<2>(generator, out, n, kCostly, [=](const uint32_t* words) {
    return to<T>(median + sigma * std::tan(std::numbers::pi * (unit_double(words) - 0.5)));
  });
}

template <class T>
void exponential(Generator& generator, T* out, int64_t n, double lambda) {
  const double scale = -1 / lambda;
  fill<2>(generator, out, n, kCostly,
          [=](const uint32_t* words) { return to<T>(scale * std::log1p(-unit_double(words))); });
}

template <class T>
void geometric(Generator& generator, T* out, int64_t n, double p) {
  const double log_of_failure = std::log1p(-p);
  fill<2>(generator, out, n, kCostly, [=](const uint32_t* words) {
    const double trials = std::ceil(std::log(unit_double(words)) / log_of_failure);
    if constexpr (std::integral<T>)  // infinite for a uniform number of exactly zero, which no integer can hold
      return static_cast<T>(static_cast<int64_t>(std::min(trials, 0x1p62)));
    else
      return to<T>(trials);
  });
}

[[gnu::always_inline]] inline void compare_pairs(const uint32_t* words, bool* out, int64_t n, int64_t limit) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = static_cast<int64_t>(join(words + 2 * i) & ((uint64_t{1} << 53) - 1)) < limit;
}
ONDOL_VECTORIZE ONDOL_WIDE void compare_pairs_wide(const uint32_t* words, bool* out, int64_t n, int64_t limit) {
  compare_pairs(words, out, n, limit);
}
ONDOL_VECTORIZE void compare_pairs_plain(const uint32_t* words, bool* out, int64_t n, int64_t limit) {
  compare_pairs(words, out, n, limit);
}

template <class T>
void bernoulli(Generator& generator, T* out, int64_t n, double p) {
  // u < p on 53-bit integers: k / 2^53 < p if and only if k < ceil(p * 2^53), and the product is exact.
  const auto limit = static_cast<uint64_t>(std::ceil(p * 0x1p53));
  if constexpr (std::same_as<T, bool>)
    return draw<2>(generator, n, kSerial, [=](const uint32_t* words, int64_t begin, int64_t end) {
      const auto compare = wide_vectors() ? compare_pairs_wide : compare_pairs_plain;
      compare(words, out + begin, end - begin, static_cast<int64_t>(limit));
    });
  const Choice<T> choice;
  fill<2>(generator, out, n, kSerial,
          [=](const uint32_t* words) { return choice.of[(join(words) & ((uint64_t{1} << 53) - 1)) < limit]; });
}

template <class T, class P>
void bernoulli(Generator& generator, T* out, const P* p, int64_t n) {
  const Choice<T> choice;
  draw<words_each<P>>(generator, n, kSerial, [&](const uint32_t* words, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i, words += words_each<P>) {
      if constexpr (std::same_as<P, double>)
        out[i] = choice.of[unit_double(words) < p[i]];
      else
        out[i] = choice.of[unit_float(*words) < p[i]];
    }
  });
}

template <class T>
void integers(Generator& generator, T* out, int64_t n, uint64_t range, int64_t base) {
  const auto shifted = [=](uint64_t value) { return to<T>(static_cast<int64_t>(value + static_cast<uint64_t>(base))); };
  if (range >= uint64_t{1} << 28)
    fill<2>(generator, out, n, kSerial, [=](const uint32_t* words) { return shifted(join(words) % range); });
  else
    fill<1>(generator, out, n, kSerial,
            [=, divisor = static_cast<uint32_t>(range)](const uint32_t* words) { return shifted(*words % divisor); });
}

template <class T>
void integers(Generator& generator, T* out, int64_t n) {
  if constexpr (std::same_as<T, int64_t>)
    fill<2>(generator, out, n, kSerial, [](const uint32_t* words) { return static_cast<T>(join(words) << 1 >> 1); });
  else if constexpr (std::same_as<T, double>)
    fill<2>(generator, out, n, kSerial,
            [](const uint32_t* words) { return static_cast<T>(join(words) % ((uint64_t{1} << 53) + 1)); });
  else if constexpr (std::same_as<T, bool>)
    fill<1>(generator, out, n, kSerial, [](const uint32_t* words) { return (*words & 1) != 0; });
  else if constexpr (std::integral<T>)
    fill<1>(generator, out, n, kSerial,
            [](const uint32_t* words) { return static_cast<T>(*words & std::numeric_limits<T>::max()); });
  else
    fill<1>(generator, out, n, kSerial, [](const uint32_t* words) { return to<T>(*words % ((1u << digits<T>)+1)); });
}

template <class T>
void integers_of_all_64_bits(Generator& generator, T* out, int64_t n) {
  fill<2>(generator, out, n, kSerial, [](const uint32_t* words) { return to<T>(static_cast<int64_t>(join(words))); });
}

#define ONDOL_REAL(T)                                                   \
  template void uniform(Generator&, T*, int64_t, double, double);       \
  template void normal(Generator&, T*, int64_t, double, double);        \
  template void normal_serial(Generator&, T*, int64_t, double, double); \
  template void log_normal(Generator&, T*, int64_t, double, double);    \
  template void cauchy(Generator&, T*, int64_t, double, double);        \
  template void exponential(Generator&, T*, int64_t, double);
ONDOL_REAL(Half)
ONDOL_REAL(BFloat16)
ONDOL_REAL(float)
ONDOL_REAL(double)

#define ONDOL_ANY(T)                                                  \
  template void bernoulli(Generator&, T*, int64_t, double);           \
  template void bernoulli(Generator&, T*, const float*, int64_t);     \
  template void bernoulli(Generator&, T*, const double*, int64_t);    \
  template void integers(Generator&, T*, int64_t, uint64_t, int64_t); \
  template void integers(Generator&, T*, int64_t);                    \
  template void geometric(Generator&, T*, int64_t, double);
ONDOL_ANY(bool)
ONDOL_ANY(uint8_t)
ONDOL_ANY(int8_t)
ONDOL_ANY(int16_t)
ONDOL_ANY(int32_t)
ONDOL_ANY(int64_t)
ONDOL_ANY(Half)
ONDOL_ANY(BFloat16)
ONDOL_ANY(float)
ONDOL_ANY(double)

template void integers_of_all_64_bits(Generator&, int64_t*, int64_t);
template void integers_of_all_64_bits(Generator&, BFloat16*, int64_t);
template void integers_of_all_64_bits(Generator&, float*, int64_t);
template void integers_of_all_64_bits(Generator&, double*, int64_t);

}  // namespace ondol::random
