// Extremes with their positions.

#include "kernels/cpu/reduction_engine.h"
#include "kernels/cpu/reduction_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

template <class T, bool largest>
struct Extreme {
  static constexpr T worst = largest ? lowest<T>() : highest<T>();
  /// Whether a comes before b whatever their positions: NaN before all.
  static auto better(auto a, auto b) {
    if constexpr (std::integral<T>)
      return largest ? a > b : a < b;
    else
      return (largest ? a > b : a < b) | ((a != a) & (b == b));
  }
  static Vec<T> best(Vec<T> a, Vec<T> b) { return select((Mask<Vec<T>>)better(b, a), b, a); }
};

template <class T>
struct Found {
  T value;
  int64_t index;
};

/// The best value of a piece first, at the speed of memory; only if it beats what is known, where it stands.
template <class T, bool largest>
inline Found<T> search_row(const T* x, int64_t n) {
  using E = Extreme<T, largest>;
  constexpr int L = lanes<T>;
  Found<T> found{x[0], 0};
  for (int64_t from = 0; from < n; from += row_leaf) {
    int64_t count = n - from < row_leaf ? n - from : row_leaf, i = 0;
    T best = fold_row(x + from, count, E::worst, E::best, E::best)[0];
    if (!E::better(best, found.value) || (from == 0 && best == x[0])) continue;
    const T* piece = x + from;
    while (i + L <= count && !any((load(piece + i) == best) | (load(piece + i) != load(piece + i)))) i += L;
    while (!(piece[i] == best) && piece[i] == piece[i]) ++i;
    found = {best, from + i};
  }
  return found;
}

template <class T, bool largest>
void search_rows(const T* x, T* values, int64_t* indices, Lines lines) {
  if (lines.are_none()) return;
  const int64_t n = lines.n, size = chunk_size(n, chunk);
  auto put = [=](int64_t i, Found<T> found) {
    if (values) values[i] = found.value;
    indices[i] = found.index;
  };
  if (n <= size || lines.outer >= 2 * num_threads()) {
    parallel_for(lines.outer, grain_for(grain, n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) put(i, search_row<T, largest>(x + i * n, n));
    });
    return;
  }
  Found<T> parts[most_chunks];
  const int64_t chunks = (n + size - 1) / size;
  for (int64_t i = 0; i < lines.outer; ++i) {
    parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        parts[c] = search_row<T, largest>(x + i * n + c * size, n - c * size < size ? n - c * size : size);
        parts[c].index += c * size;
      }
    });
    Found<T> found = parts[0];
    for (int64_t c = 1; c < chunks; ++c)
      if (Extreme<T, largest>::better(parts[c].value, found.value)) found = parts[c];
    put(i, found);
  }
}

/// Down blocks of neighbouring columns, for which the block's values and positions stay in the L1 cache.
template <class T, bool largest>
void search_columns(const T* x, T* values, int64_t* indices, Lines lines) {
  if (lines.are_none()) return;
  constexpr int64_t width = 256;
  const int64_t blocks = (lines.inner + width - 1) / width;
  parallel_for(lines.outer * blocks, grain_for(grain, width, lines.n), [&](int64_t begin, int64_t end) {
    T best[width];
    int64_t where[width];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t column = task % blocks * width, outer = task / blocks;
      const int64_t count = lines.inner - column < width ? lines.inner - column : width;
      const T* from = x + outer * lines.n * lines.inner + column;
      for (int64_t j = 0; j < count; ++j) best[j] = from[j], where[j] = 0;
      for (int64_t r = 1; r < lines.n; ++r) {
        const T* row = from + r * lines.inner;
        for (int64_t j = 0; j < count; ++j) {
          T value = row[j], known = best[j];
          bool is_better = Extreme<T, largest>::better(value, known);
          best[j] = is_better ? value : known;
          where[j] = is_better ? r : where[j];
        }
      }
      int64_t to = outer * lines.inner + column;
      for (int64_t j = 0; j < count; ++j) {
        if (values) values[to + j] = best[j];
        indices[to + j] = where[j];
      }
    }
  });
}

template <class T, bool largest>
void search(const T* x, T* values, int64_t* indices, Lines lines) {
  if (lines.n == 0) return;
  if (lines.inner == 1)
    search_rows<T, largest>(x, values, indices, lines);
  else
    search_columns<T, largest>(x, values, indices, lines);
}

}  // namespace

void fill_indexed_reductions(ReductionKernels& k) {
  k.float32.minimum_index = search<float, false>;
  k.float32.maximum_index = search<float, true>;
  k.float64.minimum_index = search<double, false>;
  k.float64.maximum_index = search<double, true>;
  k.int64.minimum_index = search<int64_t, false>;
  k.int64.maximum_index = search<int64_t, true>;
}

}  // namespace ondol::kernel::ONDOL_LEVEL
