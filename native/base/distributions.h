#pragma once

// Fills of n contiguous elements, those of PyTorch 2.13 on a CPU, bit for bit but for logarithms and the like, from the
// same state of the generator. Each says what it draws: "a word" is one random32, "two words" one random64. Every fill
// locks the generator's mutex; n == 0 draws nothing.
//
// Real fills exist for T = Half, BFloat16, float, double; integer-valued ones for bool, uint8_t ... int64_t as well.
// Parameters must have been checked by the caller (0 <= p <= 1, std >= 0, from <= to, lambda > 0, ...).

#include <cstdint>

#include "base/dtype.h"
#include "base/random.h"

namespace ondol::random {

/// Uniform in [from, to): a word an element (its low 24 bits), for double two words (53 bits).
template <class T>
void uniform(Generator& generator, T* out, int64_t n, double from, double to);

/// Normal by Box & Muller (1958). n >= 16: a word an element (double: two), then 16 more if n is no multiple of 16; the
/// last 16 elements are then replaced. n < 16: as normal_serial.
template <class T>
void normal(Generator& generator, T* out, int64_t n, double mean, double std);
/// What PyTorch does for fewer than 16 elements and for tensors that are not contiguous: four words for each pair, the
/// second number of which waits in the generator.
template <class T>
void normal_serial(Generator& generator, T* out, int64_t n, double mean, double std);
/// The next number of normal_serial. The generator must be locked.
double next_normal(Generator& generator);
/// exp of normal_serial.
template <class T>
void log_normal(Generator& generator, T* out, int64_t n, double mean, double std);

/// Two words an element.
template <class T>
void cauchy(Generator& generator, T* out, int64_t n, double median, double sigma);
/// Two words an element. T may be any but bool and complex.
template <class T>
void geometric(Generator& generator, T* out, int64_t n, double p);

/// Exponential with rate lambda: two words an element.
template <class T>
void exponential(Generator& generator, T* out, int64_t n, double lambda);

/// 1 with probability p, else 0: two words an element. Dropout is bernoulli(1 - p), then a division by 1 - p.
template <class T>
void bernoulli(Generator& generator, T* out, int64_t n, double p);
/// 1 with probability p[i], else 0. P = float: a word an element (also for Half and BFloat16 probabilities, widened);
/// P = double: two words.
template <class T, class P>
void bernoulli(Generator& generator, T* out, const P* p, int64_t n);

/// Integers base + [0, range): a word an element, two if range >= 2^28. (randint, random_(from, to).)
template <class T>
void integers(Generator& generator, T* out, int64_t n, uint64_t range, int64_t base);
/// The bounds [from, to) that random_ uses for T: drawn as integers and then rounded to a real type, numbers near a
/// bound that T cannot represent would fall outside. Integer types keep theirs. The caller checks from < to afterwards.
struct IntegerBounds {
  int64_t from, to;
};
IntegerBounds representable_bounds(Dtype dtype, int64_t from, int64_t to);
/// random_() without bounds: [0, max] of integers, [0, 2^digits] of reals; a word an element, two for int64_t and
/// double.
template <class T>
void integers(Generator& generator, T* out, int64_t n);
/// random_(min of int64, None): two words an element. T = int64_t, double, float, BFloat16.
template <class T>
void integers_of_all_64_bits(Generator& generator, T* out, int64_t n);

/// A permutation of 0 ... n - 1: n - 1 words (twice that for n >= 2^32 / 20). For another dtype, convert.
void permutation(Generator& generator, int64_t* out, int64_t n);

/// `samples` categories for each of `rows` rows of weights[rows, categories], drawn with replacement: two words a
/// sample. The weights of a row need not sum to one, but to more than zero. T = float, double (Half and BFloat16:
/// widen). The case samples == 1 of PyTorch's multinomial draws as multinomial_without_replacement.
template <class T>
void multinomial_with_replacement(Generator& generator, const T* weights, int64_t rows, int64_t categories,
                                  int64_t* out, int64_t samples);
/// The same without replacement: the categories with the largest weight / exponential(1), largest first (Efraimidis &
/// Spirakis 2006). Draws as exponential over all rows * categories elements.
template <class T>
void multinomial_without_replacement(Generator& generator, const T* weights, int64_t rows, int64_t categories,
                                     int64_t* out, int64_t samples);

}  // namespace ondol::random
