// The random choices of base/distributions.h: permutations and samples of categories.

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/distributions.h"

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

}  // namespace

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
void multinomial_with_replacement(Generator& generator, const T* weights, int64_t rows, int64_t categories,
                                  int64_t* out, int64_t samples) {
  check_weights(weights, rows, categories);
  std::vector<T> cumulative(categories);
  std::lock_guard lock(generator.mutex);
  for (int64_t row = 0; row < rows; ++row, weights += categories, out += samples) {
    // In T and in this order, as PyTorch: the sums decide which category a number on the border falls into.
    T sum = 0;
    for (int64_t i = 0; i < categories; ++i) cumulative[i] = sum += weights[i];
    for (T& value : cumulative) value /= sum;
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
