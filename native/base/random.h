#pragma once

// PyTorch's generator of random numbers on the CPU: the 32-bit Mersenne Twister (Matsumoto & Nishimura 1998) with the
// same seeding, order of words and saved state, so that seeds and states interchange.

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

namespace ondol {

inline constexpr uint64_t kDefaultSeed = 67280421310721;

class Generator {
 public:
  explicit Generator(uint64_t seed = kDefaultSeed) { set_seed(seed); }

  /// Starts the stream over; the engine takes the low 32 bits. Forgets the cached normal samples.
  void set_seed(uint64_t seed);
  /// Starts over from a number of the operating system's entropy, which is returned.
  uint64_t seed_from_entropy();
  uint64_t initial_seed() const { return initial_seed_; }

  /// The next 32 bits of the stream, or 64 of them (the first word drawn is the high one). These do not lock `mutex`.
  uint32_t random32() {
    if (position_ == kWords) refill();
    return temper(words_[position_++]);
  }
  uint64_t random64() {
    const uint64_t high = random32();
    return high << 32 | random32();
  }
  /// The next n results of random32 at once.
  void random32(uint32_t* out, int64_t n);

  /// What makes a word of the engine one of the stream.
  static constexpr uint32_t temper(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return y ^ (y >> 18);
  }

  /// PyTorch's layout of get_rng_state.
  static constexpr size_t kStateBytes = 5056;
  void get_state(void* bytes) const;
  /// Throws std::runtime_error if this cannot be such a state, and then changes nothing.
  void set_state(const void* bytes, size_t size);

  /// The second number of the last pair of normal samples, if it has not been used.
  std::optional<double> next_double_normal;
  std::optional<float> next_float_normal;

  /// The fills of base/distributions.h hold it while they draw.
  std::mutex mutex;

 private:
  static constexpr int kWords = 624;
  void refill();

  uint64_t initial_seed_;
  int position_;  // of the next word; kWords when all have been used
  bool fresh_;    // seeded and not drawn from: saved states tell it
  uint32_t words_[kWords];
};

/// The generator that is used where none is given.
Generator& default_generator();

}  // namespace ondol
