#include "base/random.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>

#include "base/vectorize.h"

namespace ondol {
namespace {

constexpr int kWords = 624, kMiddle = 397;

/// The saved state, byte for byte PyTorch's, which began as Torch's in C.
struct SavedState {
  uint64_t initial_seed;
  int32_t left;    // words until the next refill, counted so that 1 means none
  int32_t seeded;  // always 1
  uint64_t next;   // index of the next word
  uint64_t words[kWords];
  double unused_x;
  double normal;
  double unused_rho;
  int64_t normal_is_valid;  // a 32-bit number and padding
  float float_normal;
  uint32_t float_normal_is_valid;  // a byte and padding
};
static_assert(sizeof(SavedState) == Generator::kStateBytes);

[[gnu::always_inline]] inline uint32_t twist(uint32_t u, uint32_t v) {
  const uint32_t mixed = (u & 0x80000000) | (v & 0x7fffffff);
  return (mixed >> 1) ^ ((v & 1) ? 0x9908b0df : 0);
}

[[gnu::always_inline]] inline void twist_all(uint32_t* w) {
  for (int i = 0; i < kWords - kMiddle; ++i) w[i] = w[i + kMiddle] ^ twist(w[i], w[i + 1]);
  for (int i = kWords - kMiddle; i < kWords - 1; ++i) w[i] = w[i + kMiddle - kWords] ^ twist(w[i], w[i + 1]);
  w[kWords - 1] = w[kMiddle - 1] ^ twist(w[kWords - 1], w[0]);
}
ONDOL_VECTORIZE ONDOL_WIDE void twist_wide(uint32_t* words) { twist_all(words); }
ONDOL_VECTORIZE void twist_plain(uint32_t* words) { twist_all(words); }

[[gnu::always_inline]] inline void temper_all(const uint32_t* words, uint32_t* out, int n) {
  for (int i = 0; i < n; ++i) out[i] = Generator::temper(words[i]);
}
ONDOL_VECTORIZE ONDOL_WIDE void temper_wide(const uint32_t* words, uint32_t* out, int n) { temper_all(words, out, n); }
ONDOL_VECTORIZE void temper_plain(const uint32_t* words, uint32_t* out, int n) { temper_all(words, out, n); }

}  // namespace

void Generator::refill() {
  wide_vectors() ? twist_wide(words_) : twist_plain(words_);
  position_ = 0;
  fresh_ = false;
}

void Generator::random32(uint32_t* out, int64_t n) {
  while (n > 0) {
    if (position_ == kWords) refill();
    const int count = static_cast<int>(std::min<int64_t>(n, kWords - position_));
    wide_vectors() ? temper_wide(words_ + position_, out, count) : temper_plain(words_ + position_, out, count);
    position_ += count;
    out += count;
    n -= count;
  }
}

void Generator::set_seed(uint64_t seed) {
  initial_seed_ = seed;
  words_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < kWords; ++i) words_[i] = 1812433253u * (words_[i - 1] ^ (words_[i - 1] >> 30)) + i;
  position_ = kWords;
  fresh_ = true;
  next_double_normal.reset();
  next_float_normal.reset();
}

uint64_t Generator::seed_from_entropy() {
  std::random_device entropy;
  // 53 bits, so that the seed survives a trip through a Python float or JSON.
  const uint64_t seed = (static_cast<uint64_t>(entropy()) << 32 | entropy()) & ((uint64_t{1} << 53) - 1);
  set_seed(seed);
  return seed;
}

void Generator::get_state(void* bytes) const {
  SavedState state{};
  state.initial_seed = initial_seed_;
  state.left = position_ == kWords ? 1 : kWords + 1 - position_;
  state.seeded = 1;
  state.next = fresh_ ? 0 : position_;
  for (int i = 0; i < kWords; ++i) state.words[i] = words_[i];
  state.normal = next_double_normal.value_or(0);
  state.normal_is_valid = next_double_normal.has_value();
  state.float_normal = next_float_normal.value_or(0);
  state.float_normal_is_valid = next_float_normal.has_value();
  std::memcpy(bytes, &state, sizeof state);
}

void Generator::set_state(const void* bytes, size_t size) {
  if (size != kStateBytes)
    throw std::runtime_error("Expected a CPUGeneratorImplState of size " + std::to_string(kStateBytes) +
                             " but found the input RNG state size to be " + std::to_string(size));
  SavedState state;
  std::memcpy(&state, bytes, sizeof state);
  const bool used_up = state.left == 1 && (state.next == 0 || state.next == kWords);
  const bool part_used =
      state.left > 1 && state.next <= kWords && state.left == kWords + 1 - static_cast<int>(state.next);
  if (state.seeded != 1 || !(used_up || part_used)) throw std::runtime_error("Invalid mt19937 state");

  initial_seed_ = state.initial_seed;
  for (int i = 0; i < kWords; ++i) words_[i] = static_cast<uint32_t>(state.words[i]);
  position_ = used_up ? kWords : static_cast<int>(state.next);
  fresh_ = state.next == 0;
  next_double_normal.reset();
  next_float_normal.reset();
  // The padding of a foreign state may hold anything.
  if (static_cast<uint32_t>(state.normal_is_valid) != 0) next_double_normal = state.normal;
  if (static_cast<uint8_t>(state.float_normal_is_valid) != 0) next_float_normal = state.float_normal;
}

Generator& default_generator() {
  static auto* generator = new Generator;  // never destroyed: threads may draw until the process ends
  return *generator;
}

}  // namespace ondol
