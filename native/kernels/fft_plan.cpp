#include "kernels/fft_plan.h"

#include <cmath>
#include <list>
#include <mutex>
#include <numbers>

#include "kernels/table.h"

namespace ondol::kernel {
namespace {

struct Root {
  double re, im;
};

/// exp(-2 pi i k / n) for 0 <= k < n, from an angle of at most an eighth of a turn, so that roots which differ by signs
/// or by an exchange of parts do so exactly.
Root root_of_unity(int64_t k, int64_t n) {
  const auto eighths = static_cast<int>(static_cast<__int128>(8) * k / n);
  const auto from_eighth = [&](int64_t eighth) {  // the angle of k above so many eighths, times n
    return static_cast<double>(static_cast<int64_t>(static_cast<__int128>(8) * k - static_cast<__int128>(eighth) * n));
  };
  const bool falling = eighths % 2 == 1;
  const double part = falling ? -from_eighth(eighths + 1) : from_eighth(eighths);
  const double angle = part / static_cast<double>(n) * (std::numbers::pi / 4);
  const double c = std::cos(angle), s = std::sin(angle);
  // (cos, sin) of the angle within its quarter, then turned by whole quarters.
  const double re = falling ? s : c, im = falling ? c : s;
  switch (eighths / 2) {
    case 0:
      return {re, -im};
    case 1:
      return {-im, -re};
    case 2:
      return {-re, im};
    default:
      return {im, re};
  }
}

/// The factors of n in the order of the passes, none if a prime one is too large. Two fours come first, since they have
/// passes with whole vectors for few interleaved signals, and the other powers of two last. Eight times an odd number
/// is for lines side by side, where one pass less is better.
std::vector<int64_t> factorize(int64_t n) {
  int twos = 0;
  for (; n % 2 == 0; n /= 2) ++twos;
  std::vector<int64_t> factors, odd;
  for (int64_t prime : {3, 5, 7, 11, 13})
    for (; n % prime == 0; n /= prime) odd.push_back(prime);
  if (n > 1) return {};
  if (twos != 3)
    for (int i = 0; i < 2 && twos >= 2; ++i, twos -= 2) factors.push_back(4);
  std::vector<int64_t> rest;
  for (; twos > 4 || twos == 3; twos -= 3) rest.push_back(8);
  for (; twos >= 2; twos -= 2) rest.push_back(4);
  if (twos == 1) rest.push_back(2);
  factors.insert(factors.end(), odd.begin(), odd.end());
  factors.insert(factors.end(), rest.begin(), rest.end());
  return factors;
}

/// The least length of at least `n` that has small factors and many twos.
int64_t convolution_length(int64_t n) {
  int64_t best = 0;
  for (int64_t odd : {1, 3, 5, 9, 15}) {
    int64_t length = 64 * odd;
    while (length < n) length *= 2;
    if (best == 0 || length < best) best = length;
  }
  return best;
}

template <class T>
T* new_memory(FftPlan<T>& plan, int64_t count) {
  return plan.memory.emplace_back(static_cast<size_t>(count)).data();
}

template <class T>
void add_stages(FftPlan<T>& plan, const std::vector<int64_t>& factors) {
  const int64_t n = plan.n;
  std::vector<Root> roots;
  roots.reserve(static_cast<size_t>(n));
  for (int64_t k = 0; k < n; ++k) roots.push_back(root_of_unity(k, n));
  int64_t stride = 1;
  for (int64_t radix : factors) {
    const int64_t m = n / stride / radix, others = radix - 1;
    const bool narrow = (radix == 2 || radix == 4) && (stride == 1 || stride == 4) && m > 1;
    T* turns = new_memory(plan, 2 * m * others);
    T* spread = narrow ? new_memory(plan, 2 * m * others * stride) : nullptr;
    for (int64_t p = 0; p < m; ++p)
      for (int64_t j = 1; j < radix; ++j) {
        const Root root = roots[static_cast<size_t>(p * j * stride)];
        T* turn = turns + 2 * (p * others + j - 1);
        turn[0] = static_cast<T>(root.re);
        turn[1] = static_cast<T>(root.im);
        for (int64_t q = 0; narrow && q < stride; ++q) {
          const int64_t at = (j - 1) * stride * m + q + stride * p;
          spread[at] = turn[0];
          spread[at + others * stride * m] = turn[1];
        }
      }
    T* of_radix = radix % 2 ? new_memory(plan, 2 * radix) : nullptr;
    for (int64_t k = 0; of_radix && k < radix; ++k) {
      const Root root = root_of_unity(k, radix);
      of_radix[2 * k] = static_cast<T>(root.re);
      of_radix[2 * k + 1] = static_cast<T>(-root.im);
    }
    plan.stages.push_back({radix, m, stride, turns, spread, of_radix});
    stride *= radix;
  }
  plan.stage = plan.stages.data();
  plan.stage_count = static_cast<int64_t>(plan.stages.size());
}

/// Everything in double, and the filter's transform by the double kernel: rounded once.
template <class T>
void add_convolution(FftPlan<T>& plan) {
  const int64_t n = plan.n, length = convolution_length(2 * n - 1);
  plan.convolution = fft_plan<T>(length);
  T* chirp = new_memory(plan, 2 * n);
  std::vector<double> filter(static_cast<size_t>(2 * length));
  for (int64_t k = 0; k < n; ++k) {
    // exp(-i pi k^2 / n) has the period 2 n in k^2.
    const auto square = static_cast<int64_t>(static_cast<__int128>(k) * k % (2 * static_cast<__int128>(n)));
    const Root root = root_of_unity(square, 2 * n);
    chirp[2 * k] = static_cast<T>(root.re);
    chirp[2 * k + 1] = static_cast<T>(root.im);
    for (int64_t at : {k, (length - k) % length}) {
      filter[static_cast<size_t>(2 * at)] = root.re;
      filter[static_cast<size_t>(2 * at + 1)] = -root.im;
    }
  }
  std::vector<double> spectrum(filter.size());
  const FftLines<double> line{filter.data(), spectrum.data(), 2, 2, 1, 0, nullptr, nullptr, nullptr};
  table().fft.float64.complex_to_complex(*fft_plan<double>(length), line, true, 1.0 / static_cast<double>(length));
  T* rounded = new_memory(plan, 2 * length);
  for (int64_t i = 0; i < 2 * length; ++i) rounded[i] = static_cast<T>(spectrum[static_cast<size_t>(i)]);
  plan.chirp = chirp;
  plan.filter = rounded;
}

template <class T>
void make(FftPlan<T>& plan) {
  if (plan.n == 1) return;
  const std::vector<int64_t> factors = factorize(plan.n);
  if (factors.empty())
    add_convolution(plan);
  else
    add_stages(plan, factors);
}

template <class T>
void make(FftRealPlan<T>& plan) {
  const int64_t n = plan.n;
  plan.complex = fft_plan<T>(n % 2 ? n : n / 2);
  if (n % 2) return;
  const int64_t count = n / 4 + 1;
  plan.memory.resize(static_cast<size_t>(2 * count));
  for (int64_t k = 0; k < count; ++k) {
    const Root root = root_of_unity(k, n);
    plan.memory[static_cast<size_t>(k)] = static_cast<T>(root.re);
    plan.memory[static_cast<size_t>(count + k)] = static_cast<T>(root.im);
  }
  plan.root_re = plan.memory.data();
  plan.root_im = plan.memory.data() + count;
}

/// The plans used last, newest first, as many as make up a certain number of points; the newest stays in any case.
template <class Plan>
class Cache {
 public:
  std::shared_ptr<const Plan> get(int64_t n) {
    if (auto found = find(n)) return found;
    // Made outside the lock: it may take long, and asks for other plans. Two threads may make the same one.
    auto plan = std::make_shared<Plan>();
    plan->n = n;
    make(*plan);
    add(plan);
    return plan;
  }

 private:
  static constexpr int64_t kMostPoints = 1 << 22;

  std::shared_ptr<const Plan> find(int64_t n) {
    std::lock_guard guard(lock_);
    for (auto at = plans_.begin(); at != plans_.end(); ++at)
      if ((*at)->n == n) {
        plans_.splice(plans_.begin(), plans_, at);
        return *at;
      }
    return nullptr;
  }
  void add(std::shared_ptr<const Plan> plan) {
    std::lock_guard guard(lock_);
    points_ += plan->n;
    plans_.push_front(std::move(plan));
    while (plans_.size() > 1 && (points_ > kMostPoints || plans_.size() > kMostPlans)) {
      points_ -= plans_.back()->n;
      plans_.pop_back();
    }
  }
  static constexpr size_t kMostPlans = 64;

  std::mutex lock_;
  std::list<std::shared_ptr<const Plan>> plans_;
  int64_t points_ = 0;
};

template <class Plan>
std::shared_ptr<const Plan> cached(int64_t n) {
  static Cache<Plan> cache;
  return cache.get(n);
}

}  // namespace

template <class T>
std::shared_ptr<const FftPlan<T>> fft_plan(int64_t n) {
  return cached<FftPlan<T>>(n);
}
template <class T>
std::shared_ptr<const FftRealPlan<T>> fft_real_plan(int64_t n) {
  return cached<FftRealPlan<T>>(n);
}

template std::shared_ptr<const FftPlan<float>> fft_plan(int64_t n);
template std::shared_ptr<const FftPlan<double>> fft_plan(int64_t n);
template std::shared_ptr<const FftRealPlan<float>> fft_real_plan(int64_t n);
template std::shared_ptr<const FftRealPlan<double>> fft_real_plan(int64_t n);

}  // namespace ondol::kernel
