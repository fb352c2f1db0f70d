// any, all and count_nonzero.

#include "kernels/cpu/reduction_engine.h"
#include "kernels/cpu/reduction_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

template <class T>
inline int64_t count_row(const T* x, int64_t n) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) count += x[i] != T(0);
  return count;
}
/// In pieces short enough for 32-bit counters, which the vectoriser packs twice as tightly.
template <>
inline int64_t count_row(const uint8_t* x, int64_t n) {
  int64_t count = 0;
  for (int64_t from = 0; from < n; from += 1 << 20) {
    int64_t to = n - from < (1 << 20) ? n : from + (1 << 20);
    uint32_t part = 0;
    for (int64_t i = from; i < to; ++i) part += x[i] != 0;
    count += part;
  }
  return count;
}

/// out[j] = finish(number of nonzero elements of line j)
template <class T, class Y, class Finish>
inline void count_lines(const T* x, Y* y, Lines lines, Finish finish) {
  if (lines.are_none()) return;
  const int64_t n = lines.n;
  constexpr int64_t width = 512;
  if (lines.inner == 1 && lines.outer < 2 * num_threads()) {
    const int64_t size = chunk_size(n, chunk), chunks = (n + size - 1) / size;
    int64_t parts[most_chunks];
    for (int64_t i = 0; i < lines.outer; ++i) {
      parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c)
          parts[c] = count_row(x + i * n + c * size, n - c * size < size ? n - c * size : size);
      });
      int64_t total = 0;
      for (int64_t c = 0; c < chunks; ++c) total += parts[c];
      y[i] = finish(total);
    }
  } else if (lines.inner == 1) {
    parallel_for(lines.outer, grain_for(grain, n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] = finish(count_row(x + i * n, n));
    });
  } else {
    const int64_t blocks = (lines.inner + width - 1) / width;
    parallel_for(lines.outer * blocks, grain_for(grain, width, n), [&](int64_t begin, int64_t end) {
      int64_t counts[width];
      for (int64_t task = begin; task < end; ++task) {
        const int64_t column = task % blocks * width, outer = task / blocks;
        const int64_t columns = lines.inner - column < width ? lines.inner - column : width;
        for (int64_t j = 0; j < columns; ++j) counts[j] = 0;
        for (int64_t r = 0; r < n; ++r) {
          const T* row = x + (outer * n + r) * lines.inner + column;
          for (int64_t j = 0; j < columns; ++j) counts[j] += row[j] != T(0);
        }
        for (int64_t j = 0; j < columns; ++j) y[outer * lines.inner + column + j] = finish(counts[j]);
      }
    });
  }
}

template <class T>
void count_nonzero(const T* x, int64_t* y, Lines lines) {
  count_lines(x, y, lines, [](int64_t count) { return count; });
}
template <class T>
void any_nonzero(const T* x, uint8_t* y, Lines lines) {
  count_lines(x, y, lines, [](int64_t count) { return uint8_t(count != 0); });
}
template <class T>
void all_nonzero(const T* x, uint8_t* y, Lines lines) {
  count_lines(x, y, lines, [n = lines.n](int64_t count) { return uint8_t(count == n); });
}

template <class T>
void fill_for(CountingReductions<T>& k) {
  k.any = any_nonzero<T>;
  k.all = all_nonzero<T>;
  k.count_nonzero = count_nonzero<T>;
}

}  // namespace

void fill_counts(ReductionKernels& k) {
  fill_for(k.count_float32);
  fill_for(k.count_float64);
  fill_for(k.count_int64);
  fill_for(k.count_uint8);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
