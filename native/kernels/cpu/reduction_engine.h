#pragma once

// Reduces lines of [outer, n, inner] by a fixed binary tree over n: leaves of a fixed size, the left branch always a
// power of two of leaves. How the tree is cut among threads then cannot change the result, and rounding errors grow
// with log n.
//
// A Reducer<T> says what a leaf is and how two states combine. Its State consists of Vec<T> only, one lane a line or,
// along contiguous lines, all lanes the same line.

#include <new>

#include "base/parallel.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/reduction_lines.h"

namespace ondol::kernel::ONDOL_LEVEL {

inline constexpr int64_t row_leaf = 4096;  // elements of a contiguous line: they and a second pass stay in the L1 cache
inline constexpr int64_t column_leaf = 32;   // elements of each line of a block of columns
inline constexpr int block_vectors = 64;     // vectors of neighbouring columns that are reduced together
inline constexpr int64_t chunk = 1 << 16;    // elements of a line that one thread takes at least
inline constexpr int64_t most_chunks = 512;  // of one line
inline constexpr int64_t grain = 1 << 15;    // elements for which another thread is worth waking

/// The largest power of two times `unit` below n.
inline int64_t left_branch(int64_t n, int64_t unit) {
  while (unit * 2 < n) unit *= 2;
  return unit;
}

/// Every vector of a state with its lanes rotated.
template <class T, int by, class State>
inline State rotate_state(State state) {
  Vec<T> parts[sizeof(State) / sizeof(Vec<T>)];
  __builtin_memcpy(parts, &state, sizeof(State));
  for (auto& part : parts) part = rotate_lanes<by>(part);
  __builtin_memcpy(&state, parts, sizeof(State));
  return state;
}

/// f over all lanes: what every lane then holds.
template <class T, int half = lanes<T> / 2, class State, class F>
inline State across_lanes(State state, F combine) {
  if constexpr (half == 0)
    return state;
  else
    return across_lanes<T, half / 2>(combine(state, rotate_state<T, half>(state)), combine);
}

/// True in the first `count` lanes.
template <class V>
inline Mask<V> first_lanes(int count) {
  Mask<V> lane;
  for (int i = 0; i < lane_count<V>; ++i) lane[i] = i;
  return lane < count;
}

/// Folds n contiguous elements with eight accumulators, so that the latency of a step is hidden; a short end is filled
/// with `neutral`.
template <class T, class Step, class Join>
inline Vec<T> fold_row(const T* x, int64_t n, T neutral, Step step, Join join) {
  using V = Vec<T>;
  constexpr int L = lanes<T>;
  V a = broadcast(neutral), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  int64_t i = 0;
  for (; i + 8 * L <= n; i += 8 * L) {
    a = step(a, load(x + i));
    b = step(b, load(x + i + L));
    c = step(c, load(x + i + 2 * L));
    d = step(d, load(x + i + 3 * L));
    e = step(e, load(x + i + 4 * L));
    f = step(f, load(x + i + 5 * L));
    g = step(g, load(x + i + 6 * L));
    h = step(h, load(x + i + 7 * L));
  }
  if (i + 4 * L <= n) {
    a = step(a, load(x + i));
    b = step(b, load(x + i + L));
    c = step(c, load(x + i + 2 * L));
    d = step(d, load(x + i + 3 * L));
    i += 4 * L;
  }
  for (; i + L <= n; i += L) e = step(e, load(x + i));
  if (i < n) {
    // The step need not leave a state as it is for a neutral element (a square of a difference does not).
    V last = step(f, load_part(x + i, int(n - i), neutral));
    f = select(first_lanes<V>(int(n - i)), last, f);
  }
  return across_lanes<T>(join(join(join(a, b), join(c, d)), join(join(e, f), join(g, h))), join);
}

/// Rows of a block of columns: vector v of row r stands at x + r * stride + v * lanes. The last vector may be short.
template <class T>
struct Block {
  const T* x;
  int64_t rows, stride;
  int vectors;
  int last_lanes;  // of the last vector, 1 to lanes<T>

  Vec<T> at(int64_t row, int v) const {
    const T* from = x + row * stride + v * lanes<T>;
    // A short vector may read on into the rows that follow; at the end of the block it may not.
    if (v + 1 < vectors || (rows - 1 - row) * stride + last_lanes >= lanes<T>) return load(from);
    return load_part(from, last_lanes, T(0));
  }
  Block part(int64_t begin, int64_t end) const {
    return {x + begin * stride, end - begin, stride, vectors, last_lanes};
  }
};

/// states[v] = step(states[v], element) down the rows, four rows for each visit of the states.
template <class T, class State, class Step>
inline void fold_columns(const Block<T>& block, State* states, Step step) {
  int64_t r = 0;
  for (; r + 4 <= block.rows; r += 4) {
    const T* row = block.x + r * block.stride;
    for (int v = 0; v + 1 < block.vectors; ++v, row += lanes<T>) {
      State s = states[v];
      s = step(s, load(row), v);
      s = step(s, load(row + block.stride), v);
      s = step(s, load(row + 2 * block.stride), v);
      states[v] = step(s, load(row + 3 * block.stride), v);
    }
    for (int v = block.vectors - 1; v < block.vectors; ++v) {  // the last vector may be short
      State s = states[v];
      s = step(s, block.at(r, v), v);
      s = step(s, block.at(r + 1, v), v);
      s = step(s, block.at(r + 2, v), v);
      states[v] = step(s, block.at(r + 3, v), v);
    }
  }
  for (; r < block.rows; ++r)
    for (int v = 0; v < block.vectors; ++v) states[v] = step(states[v], block.at(r, v), v);
}

template <class R>
inline typename R::State reduce_row(const R& reducer, const typename R::Type* x, int64_t n) {
  if (n <= row_leaf) return reducer.row(x, n);
  int64_t left = left_branch(n, row_leaf);
  auto a = reduce_row(reducer, x, left);
  return reducer.combine(a, left, reduce_row(reducer, x + left, n - left), n - left);
}

template <class R>
inline void reduce_block(const R& reducer, const Block<typename R::Type>& block, typename R::State* states) {
  if (block.rows <= column_leaf) return reducer.columns(block, states);
  int64_t left = left_branch(block.rows, column_leaf);
  typename R::State right[block_vectors];
  reduce_block(reducer, block.part(0, left), states);
  reduce_block(reducer, block.part(left, block.rows), right);
  for (int v = 0; v < block.vectors; ++v) states[v] = reducer.combine(states[v], left, right[v], block.rows - left);
}

/// Combines the states of chunks of `size` elements (the last may be shorter) along the same tree; they lie `step`
/// apart.
template <class R>
inline typename R::State combine_chunks(const R& reducer, const typename R::State* states, int64_t step, int64_t size,
                                        int64_t n) {
  if (n <= size) return *states;
  int64_t left = left_branch(n, size);
  auto a = combine_chunks(reducer, states, step, size, left);
  return reducer.combine(a, left, combine_chunks(reducer, states + left / size * step, step, size, n - left), n - left);
}

inline int64_t chunk_size(int64_t n, int64_t smallest) {
  while ((n - 1) / most_chunks >= smallest) smallest *= 2;
  return smallest;
}

template <class R, class Finish>
void reduce_rows(const R& reducer, const typename R::Type* x, Lines lines, Finish finish) {
  using State = typename R::State;
  const int64_t n = lines.n, size = chunk_size(n, chunk);
  if (n <= size || lines.outer >= 2 * num_threads()) {
    parallel_for(lines.outer, grain_for(grain, n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) finish(i, 1, reduce_row(reducer, x + i * n, n));
    });
    return;
  }
  State states[most_chunks];
  const int64_t chunks = (n + size - 1) / size;
  for (int64_t i = 0; i < lines.outer; ++i) {
    parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        int64_t from = c * size, count = n - from < size ? n - from : size;
        states[c] = reduce_row(reducer, x + i * n + from, count);
      }
    });
    finish(i, 1, combine_chunks(reducer, states, 1, size, n));
  }
}

template <class R, class Finish>
void reduce_columns(const R& reducer, const typename R::Type* x, Lines lines, Finish finish) {
  using T = typename R::Type;
  using State = typename R::State;
  constexpr int64_t width = block_vectors * lanes<T>;
  const int64_t blocks = (lines.inner + width - 1) / width, tasks = lines.outer * blocks;
  auto block_of = [&](int64_t task, int64_t begin, int64_t end) {
    int64_t column = task % blocks * width, count = lines.inner - column < width ? lines.inner - column : width;
    int vectors = int((count + lanes<T> - 1) / lanes<T>);
    return Block<T>{x + (task / blocks * lines.n + begin) * lines.inner + column, end - begin, lines.inner, vectors,
                    int(count - (vectors - 1) * lanes<T>)};
  };
  auto finish_block = [&](int64_t task, const State* states) {
    int64_t first = task / blocks * lines.inner + task % blocks * width;
    Block<T> block = block_of(task, 0, 0);
    for (int v = 0; v < block.vectors; ++v)
      finish(first + v * lanes<T>, v + 1 < block.vectors ? lanes<T> : block.last_lanes, states[v]);
  };

  int64_t smallest = column_leaf;
  while (smallest * width < chunk) smallest *= 2;
  const int64_t size = chunk_size(lines.n, smallest), chunks = (lines.n + size - 1) / size;
  if (chunks <= 1 || tasks >= 2 * num_threads()) {
    parallel_for(tasks, grain_for(grain, width, lines.n), [&](int64_t begin, int64_t end) {
      State states[block_vectors];
      for (int64_t task = begin; task < end; ++task) {
        reduce_block(reducer, block_of(task, 0, lines.n), states);
        finish_block(task, states);
      }
    });
    return;
  }
  constexpr std::align_val_t alignment{ONDOL_VECTOR_BYTES};
  State* states = static_cast<State*>(::operator new((chunks + 1) * block_vectors * sizeof(State), alignment));
  for (int64_t task = 0; task < tasks; ++task) {
    parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        int64_t to = (c + 1) * size < lines.n ? (c + 1) * size : lines.n;
        reduce_block(reducer, block_of(task, c * size, to), states + c * block_vectors);
      }
    });
    State* totals = states + chunks * block_vectors;
    for (int v = 0; v < block_of(task, 0, 0).vectors; ++v)
      totals[v] = combine_chunks(reducer, states + v, block_vectors, size, lines.n);
    finish_block(task, totals);
  }
  ::operator delete(states, alignment);
}

/// finish(first, count, state) gets the state of the results first to first + count, one a lane.
template <class R, class Finish>
inline void reduce_lines(const R& reducer, const typename R::Type* x, Lines lines, Finish finish) {
  if (lines.are_none()) return;
  if (lines.inner == 1)
    reduce_rows(reducer, x, lines, finish);
  else
    reduce_columns(reducer, x, lines, finish);
}

template <class T>
inline void store_lanes(T* y, Vec<T> value, int count) {
  if (count == lanes<T>)
    store(y, value);
  else
    store_part(y, value, count);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
