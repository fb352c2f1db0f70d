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
#include "base/vectorize.h"

namespace ondol::random {
namespace {

template <class T>
void check_weights(const T* weights, int64_t rows, int64_t categories) {
  for (int64_t row = 0; row < rows; ++row, weights += categories) {
    T sum = 0;
    for (int64_t i = 0; i < categories; ++i) {
      if (!(weights[i] >= 0 && weights[i] <= std::numeric_limits<T>::max()))
        throw std::runtime_error("probability tensor contains either `inf`, `nan` or element < 0");
      sum += weights[i];
    }
    if (!(sum > 0)) throw std::runtime_error("invalid multinomial distribution (sum of probabilities <= 0)");
  }
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

template <class T>
ONDOL_VECTORIZE static void divide(T* values, int64_t n, T divisor) {
  for (int64_t i = 0; i < n; ++i) values[i] /= divisor;
}

template <class T>
void multinomial_with_replacement(Generator& generator, const T* weights, int64_t rows, int64_t categories,
                                  int64_t* out, int64_t samples) {
  check_weights(weights, rows, categories);
  std::vector<T> cumulative(categories);
  std::lock_guard lock(generator.mutex);
  for (int64_t row = 0; row < rows; ++row, weights += categories, out += samples) {
    // In T and in this order, as PyTorch: the sums decide which category a number on the border falls into.
    T sum = 0;
    for (int64_t i = 0; i < categories; ++i) cumulative[i] = sum += weights[i];
    divide(cumulative.data(), categories, sum);
    cumulative.back() = 1;
    for (int64_t i = 0; i < samples; ++i) {
      const double u = static_cast<double>(generator.random64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
      out[i] = std::lower_bound(cumulative.begin(), cumulative.end(), u) - cumulative.begin();
    }
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
