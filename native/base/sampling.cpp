// The random choices of base/distributions.h: permutations and samples of categories.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/distributions.h"
#include "base/half.h"
#include "base/parallel.h"
#include "base/vectorize.h"

namespace ondol::random {
namespace {

/// Whether a row has a weight that is negative, infinite or no number, and whether it has a positive one.
struct RowCheck {
  bool bad, positive;
};
template <class T>
ONDOL_VECTORIZE RowCheck check_row(const T* weights, int64_t categories) {
  int bad = 0, positive = 0;
  for (int64_t i = 0; i < categories; ++i) {
    bad |= !(weights[i] >= 0 && weights[i] <= std::numeric_limits<T>::max());
    positive |= weights[i] > 0;
  }
  return {bad != 0, positive != 0};
}

template <class T>
void check_weights(const T* weights, int64_t rows, int64_t categories) {
  parallel_for(rows, grain_for(16384, categories), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const RowCheck check = check_row(weights + row * categories, categories);
      if (check.bad) throw std::runtime_error("probability tensor contains either `inf`, `nan` or element < 0");
      if (!check.positive) throw std::runtime_error("invalid multinomial distribution (sum of probabilities <= 0)");
    }
  });
}

/// The distance of neighbouring numbers with `digits` bits around a nonzero value, at least 1.
int64_t spacing(int64_t value, int digits) {
  const uint64_t magnitude = value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  const int excess = static_cast<int>(std::bit_width(magnitude)) - digits;
  return excess > 0 ? int64_t{1} << excess : 1;
}

int64_t rounded(Dtype dtype, int64_t value) {
  switch (dtype) {
    case Dtype::F16:
      return static_cast<int64_t>(to_float(to_half(static_cast<float>(value))));
    case Dtype::BF16:
      return static_cast<int64_t>(to_float(to_bfloat16(static_cast<float>(value))));
    case Dtype::F32:
      return static_cast<int64_t>(static_cast<float>(value));
    default:
      return static_cast<int64_t>(static_cast<double>(value));
  }
}

}  // namespace

IntegerBounds representable_bounds(Dtype dtype, int64_t from, int64_t to) {
  if (!is_floating(dtype)) return {from, to};
  const int digits = dtype == Dtype::F16 ? 11 : dtype == Dtype::BF16 ? 8 : dtype == Dtype::F32 ? 24 : 53;
  if (from == std::numeric_limits<int64_t>::max() || to == std::numeric_limits<int64_t>::min()) return {from, to};
  const int64_t lowest = rounded(dtype, from + 1), highest = rounded(dtype, to - 1);
  if (lowest < from) from = lowest + spacing(from + 1, digits);
  if (highest >= to) to = highest - spacing(to - 1, digits);
  return {from, to};
}

void permutation(Generator& generator, int64_t* out, int64_t n) {
  std::iota(out, out + std::max<int64_t>(n, 0), int64_t{0});
  std::lock_guard lock(generator.mutex);
  // Fisher & Yates's shuffle, forwards. Remainders of 32-bit words are even enough up to 2^32 / 20 elements, says
  // PyTorch.
  constexpr int64_t kMostOf32Bits = std::numeric_limits<uint32_t>::max() / 20;
  if (n >= kMostOf32Bits) {
    for (int64_t i = 0; i < n - 1; ++i)
      std::swap(out[i], out[i + static_cast<int64_t>(generator.random64() % static_cast<uint64_t>(n - i))]);
    return;
  }
  // Partners are drawn some steps ahead, so that memory can fetch them together.
  constexpr int64_t kAhead = 64;
  uint32_t partners[kAhead];
  for (int64_t start = 0; start < n - 1; start += kAhead) {
    const int64_t count = std::min(kAhead, n - 1 - start);
    generator.random32(partners, count);
    for (int64_t i = 0; i < count; ++i) {
      partners[i] = static_cast<uint32_t>(start + i) + partners[i] % static_cast<uint32_t>(n - start - i);
      __builtin_prefetch(out + partners[i], 1);
    }
    for (int64_t i = 0; i < count; ++i) std::swap(out[start + i], out[partners[i]]);
  }
}

namespace {

template <class T>
[[gnu::always_inline]] inline void divide_each(T* values, int64_t n, T divisor) {
  for (int64_t i = 0; i < n; ++i) values[i] /= divisor;
}
template <class T>
ONDOL_VECTORIZE ONDOL_WIDE void wide_divide(T* values, int64_t n, T divisor) {
  divide_each(values, n, divisor);
}
template <class T>
ONDOL_VECTORIZE void plain_divide(T* values, int64_t n, T divisor) {
  divide_each(values, n, divisor);
}

/// The running sums of kRows rows, divided by the last. In T and in this order, as PyTorch: the sums decide which
/// category a number on the border falls into. An addition waits for the one before it, so rows go side by side.
template <int kRows, class T>
void accumulate(const T* weights, int64_t categories, T* cumulative) {
  T sums[kRows] = {};
  for (int64_t i = 0; i < categories; ++i)
    for (int r = 0; r < kRows; ++r) cumulative[r * categories + i] = sums[r] += weights[r * categories + i];
  auto divide = wide_vectors() ? wide_divide<T> : plain_divide<T>;
  for (int r = 0; r < kRows; ++r) {
    divide(cumulative + r * categories, categories, sums[r]);
    cumulative[r * categories + categories - 1] = 1;
  }
}

/// The first of the ascending values, of which the last is 1, that is not less than u < 1. Without branches, which
/// random numbers make unpredictable.
template <class T>
int64_t first_not_less(const T* values, int64_t n, double u) {
  int64_t low = 0;
  while (n > 1) {
    const int64_t half = n / 2;
    low += half & -static_cast<int64_t>(static_cast<double>(values[low + half - 1]) < u);
    n -= half;
  }
  return low;
}

}  // namespace

template <class T>
void multinomial_with_replacement(Generator& generator, const T* weights, int64_t rows, int64_t categories,
                                  int64_t* out, int64_t samples) {
  check_weights(weights, rows, categories);
  constexpr int64_t kTogether = 8;
  const int64_t block = std::max(kTogether, (int64_t{1} << 20) / (categories + samples));  // bounds the memory
  const int64_t most = std::min(block, rows);
  std::vector<T> cumulative(static_cast<size_t>(most * categories));
  std::vector<double> numbers(static_cast<size_t>(most * samples));
  std::lock_guard lock(generator.mutex);
  for (int64_t first = 0; first < rows; first += block) {
    const int64_t count = std::min(block, rows - first);
    for (int64_t i = 0; i < count * samples; ++i)
      numbers[i] = static_cast<double>(generator.random64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
    const int64_t groups = (count + kTogether - 1) / kTogether;
    parallel_for(groups, 1 + 2048 / (categories + samples), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin * kTogether; row < std::min(end * kTogether, count);) {
        const T* from = weights + (first + row) * categories;
        T* sums = cumulative.data() + row * categories;
        const int64_t together = row + kTogether <= count ? kTogether : 1;
        together > 1 ? accumulate<kTogether>(from, categories, sums) : accumulate<1>(from, categories, sums);
        for (const int64_t last = row + together; row < last; ++row)
          for (int64_t i = row * samples; i < (row + 1) * samples; ++i)
            out[first * samples + i] = first_not_less(cumulative.data() + row * categories, categories, numbers[i]);
      }
    });
  }
}

template <class T>
void multinomial_without_replacement(Generator& generator, const T* weights, int64_t rows, int64_t categories,
                                     int64_t* out, int64_t samples) {
  check_weights(weights, rows, categories);
  std::vector<T> keys(rows * categories);
  exponential(generator, keys.data(), rows * categories, 1);
  std::vector<int64_t> order(categories);
  for (int64_t row = 0; row < rows; ++row, weights += categories, out += samples) {
    T* key = keys.data() + row * categories;
    // An exponential number may be zero; 0 / 0 would spoil the order.
    for (int64_t i = 0; i < categories; ++i) key[i] = weights[i] > 0 ? weights[i] / key[i] : 0;
    std::iota(order.begin(), order.end(), int64_t{0});
    std::partial_sort(order.begin(), order.begin() + samples, order.end(),
                      [key](int64_t a, int64_t b) { return key[a] != key[b] ? key[a] > key[b] : a < b; });
    std::copy_n(order.begin(), samples, out);
  }
}

template void multinomial_with_replacement(Generator&, const float*, int64_t, int64_t, int64_t*, int64_t);
template void multinomial_with_replacement(Generator&, const double*, int64_t, int64_t, int64_t*, int64_t);
template void multinomial_without_replacement(Generator&, const float*, int64_t, int64_t, int64_t*, int64_t);
template void multinomial_without_replacement(Generator&, const double*, int64_t, int64_t, int64_t*, int64_t);

}  // namespace ondol::random
