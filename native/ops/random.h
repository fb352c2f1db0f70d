#pragma once

// Fills of tensors with random numbers: what base/distributions.h draws, for any dtype and layout.

#include "base/random.h"
#include "base/thread_local.h"
#include "tensor/tensor.h"

namespace ondol {

/// Set where random numbers must not be drawn: inside a vmap that was not told how its examples share them.
struct RandomDraws {
  ONDOL_THREAD_LOCAL bool forbidden = false;
};
[[noreturn]] void raise_random_draw_forbidden();

/// The generator given, or the default one.
inline Generator& chosen(Generator* generator) {
  if (RandomDraws::forbidden) raise_random_draw_forbidden();
  return generator ? *generator : default_generator();
}

// Each writes all of `self`, in the order of its memory as PyTorch does, and checks parameters and dtype. No history,
// no version.
void fill_uniform(const Tensor& self, double from, double to, Generator& generator);
void fill_normal(const Tensor& self, double mean, double std, Generator& generator);
void fill_bernoulli(const Tensor& self, double p, Generator& generator);
void fill_bernoulli(const Tensor& self, const Tensor& p, Generator& generator);
/// Integers in [from, to).
void fill_integers(const Tensor& self, int64_t from, int64_t to, Generator& generator);

/// n samples of the Poisson distribution with the rates given (ops/random_counts.cpp), rates must not be negative.
void sample_poisson(Generator& generator, const double* rate, double* out, int64_t n);
/// n samples of the number of successes in count[i] trials, each with probability p[i].
void sample_binomial(Generator& generator, const double* count, const double* p, double* out, int64_t n);

}  // namespace ondol
