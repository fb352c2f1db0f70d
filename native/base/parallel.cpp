#include "base/parallel.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/system_limits.h"

namespace ondol {
namespace {

constexpr int kMostThreads = 1024;
constexpr auto kSpin = std::chrono::microseconds(30);

thread_local bool inside_region = false;

struct RegionGuard {
  bool before = std::exchange(inside_region, true);
  ~RegionGuard() { inside_region = before; }
};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until changed(value): a short while awake, because the next parallel operation often follows at once, then
/// asleep.
template <class Changed>
uint32_t wait_until(std::atomic<uint32_t>& word, Changed changed) {
  uint32_t value = word.load(std::memory_order_acquire);
  if (changed(value)) return value;
  const auto give_up = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      relax();
      value = word.load(std::memory_order_acquire);
      if (changed(value)) return value;
    }
  } while (std::chrono::steady_clock::now() < give_up);
  while (!changed(value)) {
    word.wait(value, std::memory_order_acquire);
    value = word.load(std::memory_order_acquire);
  }
  return value;
}

/// One operation, cut into ranges.
struct Job {
  RangeFunction function;
  void* context;
  int64_t n;
  int pieces;
  std::mutex error_mutex;
  std::exception_ptr error;

  void run(int piece) {
    // Written so that n * pieces cannot overflow.
    const int64_t size = n / pieces, longer = n % pieces;
    const int64_t begin = piece * size + std::min<int64_t>(piece, longer);
    try {
      function(context, begin, begin + size + (piece < longer));
    } catch (...) {
      std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }
};

/// A worker's letter box: an odd ticket offers it its range, and whoever makes the ticket even first runs the range.
/// That is the worker, or the caller if the worker has not woken up by the time the caller has done its own.
struct alignas(64) Worker {
  std::atomic<uint32_t> ticket{0};

  bool take(uint32_t offered) {
    return ticket.compare_exchange_strong(offered, offered + 1, std::memory_order_acq_rel);
  }
};

/// Phases one behind the other. A part belongs to the thread of its number; one that has not come by the time another
/// thread has nothing left to do is done by that one, so that nobody depends on a thread that sleeps, or that there is
/// none of.
class Phases {
 public:
  Phases(uint32_t phases, int parts, PhaseFunction function, void* context)
      : phases_(phases), parts_(parts), function_(function), context_(context), next_(parts), left_(parts) {}

  void join(int part) {
    for (uint32_t phase = current_.load(std::memory_order_acquire); phase < phases_; ++phase) {
      take(phase, part);
      if (finished(phase)) continue;
      for (int i = 1; i < parts_; ++i) take(phase, (part + i) % parts_);
      wait_until(current_, [=](uint32_t now) { return now > phase; });
    }
  }

 private:
  static constexpr int kPatience =
      256;  // looks at the counter before a thread does the part of another: some microseconds

  /// Whether the phase ends while this thread has patience.
  bool finished(uint32_t phase) const {
    for (int i = 0; i < kPatience; ++i) {
      if (current_.load(std::memory_order_acquire) > phase) return true;
      relax();
    }
    return false;
  }

  /// Does a part of a phase unless somebody has begun it.
  void take(uint32_t phase, int part) {
    std::atomic<uint32_t>& next = next_[part].phase;
    uint32_t expected = phase;
    if (next.load(std::memory_order_relaxed) != phase || !next.compare_exchange_strong(expected, phase + 1)) return;
    function_(context_, phase, part);
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    left_.store(parts_, std::memory_order_relaxed);
    current_.store(phase + 1, std::memory_order_release);
    current_.notify_all();
  }

  struct alignas(64) Next {
    std::atomic<uint32_t> phase{0};  // the first that nobody has begun, for this part
  };

  const uint32_t phases_;
  const int parts_;
  const PhaseFunction function_;
  void* const context_;
  std::vector<Next> next_;
  alignas(64) std::atomic<int> left_;             // parts of the current phase that are not done
  alignas(64) std::atomic<uint32_t> current_{0};  // the phases before it are done
};

class Pool {
 public:
  void run(Job& job) {
    std::unique_lock lock(one_job_, std::try_to_lock);
    RegionGuard guard;
    if (!lock) {  // another thread's operation has the workers
      for (int piece = 0; piece < job.pieces; ++piece) job.run(piece);
      return;
    }
    const int helpers = std::min(job.pieces - 1, grow(job.pieces - 1));
    job_ = &job;
    unfinished_.store(helpers, std::memory_order_relaxed);
    for (int i = 0; i < helpers; ++i) {
      workers_[i]->ticket.fetch_add(1, std::memory_order_acq_rel);
      workers_[i]->ticket.notify_one();
    }
    job.run(0);
    for (int piece = helpers + 1; piece < job.pieces; ++piece) job.run(piece);
    uint32_t taken = 0;
    for (int i = helpers - 1; i >= 0; --i) {
      const uint32_t ticket = workers_[i]->ticket.load(std::memory_order_relaxed);
      if (ticket % 2 == 1 && workers_[i]->take(ticket)) {
        job.run(i + 1);
        ++taken;
      }
    }
    if (unfinished_.fetch_sub(taken, std::memory_order_acq_rel) != taken)
      wait_until(unfinished_, [](uint32_t left) { return left == 0; });
  }

 private:
  /// Starts workers until there are `count`, or as many as the system allows; returns how many there are.
  int grow(int count) {
    while (static_cast<int>(workers_.size()) < count) {
      auto worker = std::make_unique<Worker>();
      // Signals are for the threads that know about them, such as Python's main thread.
      sigset_t all, before;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
      bool started = true;
      try {
        std::thread([this, w = worker.get(), piece = static_cast<int>(workers_.size()) + 1] {
          serve(*w, piece);
        }).detach();
      } catch (const std::system_error&) {
        started = false;  // the caller runs the ranges that have no worker
      }
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      if (!started) break;
      workers_.push_back(std::move(worker));
    }
    return static_cast<int>(workers_.size());
  }

  [[noreturn]] void serve(Worker& worker, int piece) {
    inside_region = true;
    for (;;) {
      const uint32_t ticket = wait_until(worker.ticket, [](uint32_t t) { return t % 2 == 1; });
      if (!worker.take(ticket)) continue;
      job_->run(piece);
      if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
    }
  }

  std::mutex one_job_;
  Job* job_ = nullptr;                   // on the caller's stack: gone as soon as unfinished_ is zero
  std::atomic<uint32_t> unfinished_{0};  // ranges that were offered to workers and are not done
  std::vector<std::unique_ptr<Worker>> workers_;
};

/// Never destroyed: at the end of the process its workers sleep on it. A forked child, which has none of the workers,
/// gets a new one.
Pool* pool = nullptr;

Pool& get_pool() {
  static std::once_flag once;
  std::call_once(once, [] {
    pool = new Pool;
    pthread_atfork(nullptr, nullptr, [] { pool = new Pool; });
  });
  return *pool;
}

int parse_count(const char* text) {
  char* end = nullptr;
  const long count = std::strtol(text, &end, 10);
  // OpenMP allows a list, one number per level of nesting.
  const bool whole = end != text && (*end == '\0' || *end == ',');
  return whole && count >= 1 ? static_cast<int>(std::min<long>(count, kMostThreads)) : 0;
}

int default_threads() {
  if (const char* text = std::getenv("ONDOL_NUM_THREADS"); text && *text) {
    if (int count = parse_count(text)) return count;
    throw std::runtime_error(std::string("ONDOL_NUM_THREADS=") + text + ": must be a positive integer");
  }
  // A variable of OpenMP's, not ours: what we cannot read there is none of our business.
  if (const char* text = std::getenv("OMP_NUM_THREADS"))
    if (int count = parse_count(text)) return count;
  return available_cores();
}

std::atomic<int> thread_count{0};  // 0: not chosen yet

}  // namespace

int num_threads() {
  int count = thread_count.load(std::memory_order_relaxed);
  if (count == 0) {
    count = default_threads();
    int expected = 0;
    if (!thread_count.compare_exchange_strong(expected, count)) count = expected;
  }
  return count;
}

void set_num_threads(int n) {
  if (n < 1)
    throw std::runtime_error("set_num_threads: expected a positive number of threads, got " + std::to_string(n));
  thread_count = std::min(n, kMostThreads);
}

bool in_parallel_region() { return inside_region; }

void parallel_ranges(int64_t n, int64_t grain, RangeFunction function, void* context) {
  if (n <= 0) return;
  const int64_t most = n / std::max<int64_t>(grain, 1);
  if (most <= 1 || inside_region) return function(context, 0, n);
  const int pieces = static_cast<int>(std::min<int64_t>(num_threads(), most));
  if (pieces == 1) return function(context, 0, n);
  Job job{function, context, n, pieces, {}, {}};
  get_pool().run(job);
  if (job.error) std::rethrow_exception(job.error);
}

void parallel_phase_ranges(int64_t phases, int parts, PhaseFunction function, void* context) {
  if (parts <= 1 || inside_region || phases > UINT32_MAX) {
    for (int64_t phase = 0; phase < phases; ++phase)
      for (int part = 0; part < parts; ++part) function(context, phase, part);
    return;
  }
  Phases all(static_cast<uint32_t>(phases), parts, function, context);
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) all.join(static_cast<int>(part));
  });
}

}  // namespace ondol
