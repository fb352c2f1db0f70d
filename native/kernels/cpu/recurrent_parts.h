#pragma once

// How the steps of a recurrent layer are cut. A step multiplies a few rows by a weight that stays the same for all
// steps, and is over in microseconds, so two things bound it: the weight has to lie in the second-level caches, each
// thread's part in its own, and threads must meet once a step only. Both follow from giving a thread columns of the
// state with all their gates: it multiplies, and applies the cell to what it has just multiplied.

#include "base/parallel.h"
#include "kernels/cpu/normalization_lanes.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/product_pack.h"
#include "kernels/cpu/recurrent.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// The vectors of a state, in units that a thread takes as a whole: one vector where its gates make a wide tile, else
/// as many as a tile has, evened out.
template <class T>
class Units {
 public:
  Units(int64_t columns, int gates) : columns_(columns), vectors_((columns + lanes<T> - 1) / lanes<T>), gates_(gates) {
    const int64_t widest = gates > 1 ? 1 : tile_vectors;
    count_ = (vectors_ + widest - 1) / widest;
  }

  int64_t count() const { return count_; }
  int64_t vectors() const { return vectors_; }
  int gates() const { return gates_; }
  int64_t first_vector(int64_t unit) const { return vectors_ * unit / count_; }
  int64_t first_column(int64_t unit) const { return first_vector(unit) * lanes<T>; }
  int64_t columns_of(int64_t unit) const {
    const int64_t end = first_column(unit + 1);
    return (end < columns_ ? end : columns_) - first_column(unit);
  }
  /// Elements of one gate, and of all gates, in a packed row.
  int64_t width(int64_t unit) const { return (first_vector(unit + 1) - first_vector(unit)) * lanes<T>; }
  int64_t row(int64_t unit) const { return gates_ * width(unit); }

 private:
  int64_t columns_, vectors_, count_;
  int gates_;
};

/// A weight as the steps read it: for each unit [depth, gates, width], filled up with zeros.
template <class T>
class UnitWeight {
 public:
  /// Element (k, gate, column) is at from[k * depth_step + (gate * columns + column) * column_step].
  UnitWeight(const T* from, int64_t depth, int64_t columns, int gates, int64_t depth_step, int64_t column_step)
      : units_(columns, gates), depth_(depth), packed_(units_.vectors() * lanes<T> * gates * depth) {
    const int64_t grain = 1 + (1 << 14) / (1 + depth * gates * lanes<T>);
    parallel_for(units_.count(), grain, [&](int64_t begin, int64_t end) {
      // Where a row of the weight lies along the columns, rows one after the other, as they lie in memory.
      const int64_t together = column_step == 1 ? 16 : depth;
      for (int64_t k = 0; k < depth; k += together) {
        const int64_t count = depth - k < together ? depth - k : together;
        for (int64_t u = begin; u < end; u++) {
          for (int g = 0; g < gates; g++) {
            const T* at = from + k * depth_step + (g * columns + units_.first_column(u)) * column_step;
            T* to = packed_.get() + units_.first_column(u) * gates * depth + k * units_.row(u) + g * units_.width(u);
            pack_gate(at, count, depth_step, column_step, units_.columns_of(u), to, units_.row(u));
          }
        }
      }
    });
  }

  const Units<T>& units() const { return units_; }
  /// c [rows, row of the unit], rows c_row apart, = a [rows, depth] times a unit, or + c. Depth is cut into equal
  /// blocks, for a sum of chains loses less than one long chain.
  void multiply(int64_t unit, int64_t rows, const T* a, T* c, int64_t c_row, bool onto_c) const {
    constexpr int64_t deepest = 128;
    const int64_t row = units_.row(unit), blocks = depth_ > deepest ? (depth_ + deepest - 1) / deepest : 1;
    const T* b = packed_.get() + units_.first_column(unit) * units_.gates() * depth_;
    for (int64_t i = 0; i < blocks; i++) {
      const int64_t k = depth_ * i / blocks, end = depth_ * (i + 1) / blocks;
      product<T>(rows, row / lanes<T>, end - k, a + k, depth_, 1, b + k * row, row, nullptr, onto_c || i > 0, c, c_row);
    }
  }

 private:
  static void pack_gate(const T* from, int64_t depth, int64_t depth_step, int64_t column_step, int64_t columns, T* to,
                        int64_t row) {
    for (int64_t j = 0; j < columns; j += lanes<T>) {
      const int64_t count = columns - j < lanes<T> ? columns - j : lanes<T>;
      if (column_step != 1) {
        pack_columns(from + j * column_step, column_step, count, depth, to + j, row);
        continue;
      }
      for (int64_t k = 0; k < depth; k++) {
        const T* at = from + k * depth_step + j;
        store(to + k * row + j, count == lanes<T> ? load(at) : load_part(at, int(count), T(0)));
      }
    }
  }

  Units<T> units_;
  int64_t depth_;
  Scratch<T> packed_;
};

/// Asks for `rows` pieces of `columns` elements, which the cell will read or write once the product is done: they come
/// from the memory of another step or the cache of another core, and are too short for the processor to see them
/// coming.
template <class T>
inline void prefetch_rows(const T* from, int64_t apart, int64_t rows, int64_t columns) {
  if (!from) return;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < columns; i += 64 / int64_t(sizeof(T))) __builtin_prefetch(from + r * apart + i);
}

/// How many threads share a step of `work` multiplications: a part should last longer than the meeting at its end.
inline int parts_of_step(int64_t work) {
  constexpr int64_t least = 1 << 16;
  const int64_t worth = work / least, most = in_parallel_region() ? 1 : num_threads();
  return int(worth < 1 ? 1 : worth < most ? worth : most);
}

/// Calls f(unit, first row, end of the rows) for what part `part` of `parts` has of `rows` rows: columns first, and
/// where the end of a part falls into a unit, some of its rows; a tile of rows at a time, or a little less, so that
/// none has much fewer than the others. Every element is computed alike wherever it falls.
template <class T, class F>
inline void for_each_block(const Units<T>& units, int64_t rows, int part, int parts, F&& f) {
  struct Cut {
    int64_t unit, row;
  };
  const auto cut = [&](int64_t index) -> Cut {
    const int64_t place = units.vectors() * rows * index / parts;
    int64_t unit = 0;
    while (unit < units.count() && units.first_vector(unit + 1) * rows <= place) unit++;
    if (unit == units.count()) return {unit, 0};
    return {unit, (place - units.first_vector(unit) * rows) / (units.width(unit) / lanes<T>)};
  };
  const Cut begin = cut(part), end = cut(part + 1);
  for (int64_t unit = begin.unit; unit < units.count() && unit <= end.unit; unit++) {
    const int64_t first = unit == begin.unit ? begin.row : 0, last = unit == end.unit ? end.row : rows;
    const int64_t chunks = (last - first + tile_rows - 1) / tile_rows;
    for (int64_t i = 0; i < chunks; i++)
      f(unit, first + (last - first) * i / chunks, first + (last - first) * (i + 1) / chunks);
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
