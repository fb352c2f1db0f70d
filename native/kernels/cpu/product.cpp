// Matrix products of float as Goto and van de Geijn 2008 build them: a register tile of c, the right operand packed
// into slivers as wide as the tile, and a block of rows of the left one that stays in the second-level cache while the
// slivers pass. Its rows are read where they are if they are contiguous, for their elements are only broadcast.

#include "kernels/cpu/product.h"

#include "base/parallel.h"
#include "kernels/cpu/division.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/product_pack.h"
#include "kernels/cpu/product_parts.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

inline constexpr int64_t sliver = tile_vectors * lanes<float>;  // columns at most
inline constexpr int64_t deepest = 512;                         // rows of b that are packed at a time
inline constexpr int64_t rows_of_block = 16 * tile_rows;        // of a: with the depth of above, 262 KB
inline constexpr int64_t far_results = 1 << 20;                 // as many are not in the cache when they are added to

/// Depth is cut into equal blocks; c is loaded and stored once for each.
int64_t block_depth(int64_t k) { return k > deepest ? ceil_div(k, ceil_div(k, deepest)) : k; }
/// The columns of a packed operand, whole vectors.
int64_t padded(int64_t n) { return ceil_div(n, lanes<float>) * lanes<float>; }

/// A sliver of an operand with n columns. Where one vector would be left over by slivers of three, the last four are
/// halved, for a tile of one vector waits for its loads.
struct Sliver {
  int64_t first, columns;
};
Sliver sliver_at(int64_t column, int64_t n) {
  const int64_t width = padded(n), first = column / sliver * sliver;
  if constexpr (tile_vectors % 2 == 1) {
    constexpr int64_t four = sliver + lanes<float>, half = four / 2;
    const int64_t halved = width % sliver == lanes<float> && width > sliver ? width - four : width;
    if (column >= halved) return {halved + (column - halved) / half * half, half};
  }
  return {first, smaller_of(sliver, width - first)};
}
/// The columns of the next sliver when `rest` are left.
int64_t next_sliver(int64_t rest) { return smaller_of(sliver_at(0, rest).columns, rest); }

/// The rows and columns of one task, whole tiles and whole vectors but for the last.
struct Part {
  int64_t first_row, last_row, first_column, last_column;
};

/// The grid of tasks that finishes first: each packs its slivers, which costs about as much as `pack_rows` rows of the
/// product, and a left operand that does not lie along its rows, which costs about as much as half a vector of columns.
struct Grid {
  int64_t rows, columns;
};
Grid choose_grid(const MatrixProduct& p, int64_t pack_rows) {
  const int64_t tiles = ceil_div(p.m, tile_rows), vectors = ceil_div(p.n, lanes<float>);
  constexpr double task = 1 << 18;  // multiplications: handing out fewer costs more than it gains
  const double work = double(p.m) * double(p.n) * double(p.k) / task;
  const int64_t worth = work < 1e6 ? 1 + int64_t(work) : 1 << 20;
  const int64_t most = in_parallel_region() ? 1 : smaller_of(num_threads(), worth);
  Grid best{1, 1};
  int64_t least = INT64_MAX;
  for (int64_t rows = 1; rows <= smaller_of(most, tiles); rows++) {
    const int64_t columns = smaller_of(most / rows, vectors);
    const int64_t height = ceil_div(tiles, rows) * tile_rows, packed_left = p.a.column == 1 ? 0 : height;
    const int64_t time = 2 * (height + pack_rows) * ceil_div(vectors, columns) + packed_left;
    if (time < least) {
      least = time;
      best = {rows, columns};
    }
  }
  return best;
}

template <class Task>
void run_grid(const MatrixProduct& p, Grid grid, Task task) {
  const int64_t tiles = ceil_div(p.m, tile_rows), vectors = ceil_div(p.n, lanes<float>);
  parallel_for(grid.rows * grid.columns, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t r = i / grid.columns, c = i % grid.columns;
      task(Part{tiles * r / grid.rows * tile_rows, smaller_of(tiles * (r + 1) / grid.rows * tile_rows, p.m),
                vectors * c / grid.columns * lanes<float>,
                smaller_of(vectors * (c + 1) / grid.columns * lanes<float>, p.n)});
    }
  });
}

/// Rows [first, first + rows) and columns [k, k + depth) of the left operand, as product() reads them.
class LeftBlock {
 public:
  LeftBlock(const MatrixProduct& p, int64_t most_rows)
      : a_(p.a),
        in_place_(p.a.column == 1),
        packed_(in_place_ ? 0 : ceil_div(most_rows, tile_rows) * tile_rows * block_depth(p.k)) {}

  void load(int64_t first, int64_t rows, int64_t k, int64_t depth) {
    first_ = first, rows_ = rows, k_ = k, depth_ = depth;
    if (!in_place_) pack_rows<tile_rows>(a_.data + first + k * a_.column, a_.column, rows, depth, packed_.get());
  }
  /// The rows of the tile that begins at row r. A last tile of a row or two, in which the multipliers would wait for
  /// their own results, shares the rows of the one before it where these are in place.
  int64_t tile_height(int64_t r) const {
    const int64_t rest = first_ + rows_ - r;
    return in_place_ && rest > tile_rows && rest < 2 * tile_rows ? (rest + 1) / 2 : smaller_of(tile_rows, rest);
  }
  /// Where the tile that begins at row r of the operand is, from row to row and along the depth.
  MatrixView tile(int64_t r) const {
    if (in_place_) return {a_.data + r * a_.row + k_, a_.row, 1};
    return {packed_.get() + (r - first_) * depth_, 1, tile_rows};
  }

 private:
  MatrixView a_;
  int64_t first_ = 0, rows_ = 0, k_ = 0, depth_ = 0;
  bool in_place_;
  Scratch<float> packed_;
};

/// Rows [k, k + depth) and the columns of a part of the right operand, in slivers.
class RightPanel {
 public:
  /// `in_place` asks to read whole vectors where they are, without packing.
  RightPanel(const MatrixProduct& p, const Part& part, bool in_place)
      : b_(p.b),
        first_(part.first_column),
        last_(part.last_column),
        in_place_(in_place),
        packed_(block_depth(p.k) * (in_place ? sliver : padded(last_ - first_))) {}

  void load(int64_t k, int64_t depth) {
    k_ = k, depth_ = depth;
    if (b_.column == 1 && !in_place_) return load_rows();
    for (int64_t column = first_, n; column < last_; column += n) {
      n = next_sliver(last_ - column);
      if (!is_in_place(n)) pack_sliver({at(column), b_.row, b_.column}, depth, n, place(column));
    }
  }
  /// The rows of the sliver that begins at a column, `row` elements apart.
  struct Rows {
    const float* data;
    int64_t row;
  };
  Rows of(int64_t column, int64_t columns) const {
    if (is_in_place(columns)) return {at(column), b_.row};
    return {place(column), padded(columns)};
  }

 private:
  /// Rows one after the other, as they lie in memory.
  void load_rows() {
    constexpr int64_t together = 8;
    for (int64_t k = 0; k < depth_; k += together)
      for (int64_t column = first_, columns; column < last_; column += columns) {
        columns = next_sliver(last_ - column);
        pack_sliver({at(column) + k * b_.row, b_.row, 1}, smaller_of(together, depth_ - k), columns,
                    place(column) + k * padded(columns));
      }
  }

  bool is_in_place(int64_t columns) const { return in_place_ && columns % lanes<float> == 0; }
  const float* at(int64_t column) const { return b_.data + k_ * b_.row + column * b_.column; }
  /// Read in place, only the last sliver may have to be packed.
  float* place(int64_t column) const { return packed_.get() + (in_place_ ? 0 : (column - first_) * depth_); }

  MatrixView b_;
  int64_t first_, last_, k_ = 0, depth_ = 0;
  bool in_place_;
  Scratch<float> packed_;
};

/// Rows [first_row, last_row) times one sliver. `begins` says that these are the first elements of the sums.
void multiply_sliver(const MatrixProduct& p, int64_t first_row, int64_t last_row, const LeftBlock& left, int64_t depth,
                     bool begins, const float* b, int64_t b_row, int64_t column, int64_t columns) {
  const int64_t vectors = ceil_div(columns, lanes<float>);
  const bool whole = columns == vectors * lanes<float>, adds = p.accumulate || !begins;
  const bool is_far = p.m * p.n >= far_results;
  alignas(64) float edge[tile_rows * sliver];
  for (int64_t row = first_row, rows; row < last_row; row += rows) {
    rows = left.tile_height(row);
    const MatrixView a = left.tile(row);
    float* c = p.c + row * p.c_row + column;
    if (is_far)
      for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < columns; j += lanes<float>) __builtin_prefetch(c + r * p.c_row + j, 1);
    const bool starts_from_bias = begins && p.bias;
    if (whole) {
      if (starts_from_bias)
        for (int64_t r = 0; r < rows; r++)
          for (int64_t v = 0; v < columns; v += lanes<float>)
            store(c + r * p.c_row + v, kernel::ONDOL_LEVEL::load(p.bias + column + v));
      product(rows, vectors, depth, a.data, a.row, a.column, b, b_row, static_cast<const float*>(nullptr),
              adds || starts_from_bias, c, p.c_row);
      continue;
    }
    for (int64_t r = 0; r < rows; r++)
      for (int64_t j = 0; j < vectors * lanes<float>; j++)
        edge[r * sliver + j] = j >= columns ? 0 : adds ? c[r * p.c_row + j] : starts_from_bias ? p.bias[column + j] : 0;
    product(rows, vectors, depth, a.data, a.row, a.column, b, b_row, static_cast<const float*>(nullptr), true, edge,
            sliver);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t j = 0; j < columns; j++) c[r * p.c_row + j] = edge[r * sliver + j];
  }
}

/// Calls f(k, depth, first row, last row, left) for the blocks of a part's left operand, one depth after the other;
/// begin(k, depth) before each depth.
template <class Begin, class Block>
void for_each_block(const MatrixProduct& p, const Part& part, Begin begin, Block f) {
  LeftBlock left(p, smaller_of(rows_of_block, part.last_row - part.first_row));
  const int64_t depth_of_block = block_depth(p.k);
  for (int64_t k = 0; k < p.k; k += depth_of_block) {
    const int64_t depth = smaller_of(depth_of_block, p.k - k);
    begin(k, depth);
    for (int64_t row = part.first_row; row < part.last_row; row += rows_of_block) {
      const int64_t last = smaller_of(row + rows_of_block, part.last_row);
      left.load(row, last - row, k, depth);
      f(k, depth, row, last, left);
    }
  }
}

/// Sums of nothing.
bool is_empty(const MatrixProduct& p) {
  if (p.k > 0 || p.accumulate) return p.k == 0;
  for (int64_t i = 0; i < p.m; i++)
    for (int64_t j = 0; j < p.n; j++) p.c[i * p.c_row + j] = p.bias ? p.bias[j] : 0;
  return true;
}

/// A few rows times a matrix whose columns are contiguous, as the weights of a layer in use: bound by memory, so that
/// nothing is copied. Every weight is read once; a vector holds partial sums of a dot product.
bool has_few_long_rows(const MatrixProduct& p) {
  constexpr int64_t few_rows = 16, long_row = 32 * lanes<float>;
  return p.m <= few_rows && p.k >= long_row && p.b.row == 1 && p.b.column != 1 && p.a.column == 1;
}
void multiply_few_rows(const MatrixProduct& p) {
  constexpr int L = lanes<float>;
  constexpr int64_t block_columns = 12;  // a multiple of the columns that go through the registers together
  const int64_t whole = p.k / L * L, blocks = ceil_div(p.n, block_columns);
  // Rows a power of two apart would fall into one set of the cache.
  const int64_t a_row = whole + L;
  Scratch<float> rows(p.m * a_row);
  for (int64_t r = 0; r < p.m; r++)
    for (int64_t k = 0; k < whole; k += L)
      store(rows.get() + r * a_row + k, kernel::ONDOL_LEVEL::load(p.a.data + r * p.a.row + k));
  parallel_for(blocks, grain_for(1 << 16, p.m, p.k, block_columns), [&](int64_t begin, int64_t end) {
    Scratch<float> sums(p.m * block_columns * L);
    for (int64_t block = begin; block < end; block++) {
      const int64_t first = block * block_columns, columns = smaller_of(block_columns, p.n - first);
      const float* b = p.b.data + first * p.b.column;
      for (int64_t i = 0; i < p.m * block_columns * L; i += L) store(sums.get() + i, Vec<float>{});
      dot_product(p.m, columns, whole / L, static_cast<const float*>(rows.get()), a_row, b, p.b.column, sums.get(),
                  block_columns * L);
      for (int64_t r = 0; r < p.m; r++)
        for (int64_t j = 0; j < columns; j++) {
          float sum = sum_of(sums.get() + (r * block_columns + j) * L, L);
          for (int64_t k = whole; k < p.k; k++) sum += p.a.data[r * p.a.row + k] * b[j * p.b.column + k];
          float& result = p.c[r * p.c_row + first + j];
          result = (p.accumulate ? result : p.bias ? p.bias[first + j] : 0) + sum;
        }
    }
  });
}

/// Whether both operands lie along the depth and b, which would have to be turned, is so much the larger one that it is
/// better to turn a, for c^T = b^T a^T, and then that.
bool gains_turned(const MatrixProduct& p) {
  constexpr int64_t least_rows = 3 * lanes<float> / 2;
  if (p.b.row != 1 || p.b.column == 1 || p.a.column != 1 || p.accumulate) return false;
  return p.m >= least_rows && 4 * p.m >= 3 * padded(p.m) && (p.n - p.m) * p.k > 2 * p.m * p.n;
}
/// The same chains in the same order, whichever of the operands is turned.
void multiply_turned(const MatrixProduct& p) {
  constexpr int64_t L = lanes<float>;
  Scratch<float> turned(p.n * p.m);
  const int64_t groups = ceil_div(p.n, L);
  if (p.bias)
    parallel_for(p.n, grain_for(1 << 15, p.m), [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; j++)
        for (int64_t i = 0; i < p.m; i++) turned.get()[j * p.m + i] = p.bias[j];
    });
  multiply_product({p.n,
                    p.m,
                    p.k,
                    {p.b.data, p.b.column, 1},
                    {p.a.data, 1, p.a.row},
                    nullptr,
                    p.bias != nullptr,
                    turned.get(),
                    p.m});
  // Square after square along some rows of c, so that these are written in the order of memory.
  parallel_for(ceil_div(p.m, L) * groups, grain_for(1 << 15, L, L), [&](int64_t begin, int64_t end) {
    for (int64_t square = begin; square < end; square++) {
      const int64_t i = square / groups * L, j = square % groups * L, rows = smaller_of(L, p.m - i);
      const float* from = turned.get() + j * p.m + i;
      float* to = p.c + i * p.c_row + j;
      if (j + L <= p.n) {
        pack_columns(from, p.m, L, rows, to, p.c_row);
      } else {
        for (int64_t r = 0; r < rows; r++)
          for (int64_t column = 0; column < p.n - j; column++) to[r * p.c_row + column] = from[column * p.m + r];
      }
    }
  });
}

}  // namespace

void multiply_product(const MatrixProduct& p) {
  if (is_empty(p)) return;
  if (has_few_long_rows(p)) return multiply_few_rows(p);
  if (gains_turned(p)) return multiply_turned(p);
  // For which packing costs more than reading rows of b that lie apart; three lines of each with AVX-512.
  constexpr int64_t few_rows = (ONDOL_VECTOR_BYTES == 64 ? 24 : 4) * tile_rows;
  const bool direct = p.b.column == 1 && p.m <= few_rows;
  run_grid(p, choose_grid(p, direct ? 0 : tile_rows), [&](Part part) {
    RightPanel right(p, part, direct);
    for_each_block(
        p, part, [&](int64_t k, int64_t depth) { right.load(k, depth); },
        [&](int64_t k, int64_t depth, int64_t first, int64_t last, const LeftBlock& left) {
          for (int64_t column = part.first_column, columns; column < part.last_column; column += columns) {
            columns = next_sliver(part.last_column - column);
            const auto [b, b_row] = right.of(column, columns);
            multiply_sliver(p, first, last, left, depth, k == 0, b, b_row, column, columns);
          }
        });
  });
}

// A packed operand is its blocks of depth one behind the other, each of slivers.

int64_t packed_product_size(int64_t k, int64_t n) { return k * padded(n); }

int64_t packed_product_offset(int64_t k, int64_t n, int64_t row, int64_t column) {
  const int64_t depth_of_block = block_depth(k), block = row / depth_of_block * depth_of_block;
  const int64_t depth = smaller_of(depth_of_block, k - block);
  const auto [first, width] = sliver_at(column, n);
  return block * padded(n) + first * depth + (row - block) * width + column - first;
}

void multiply_packed_product(const MatrixProduct& p, const float* packed) {
  if (is_empty(p)) return;
  run_grid(p, choose_grid(p, 0), [&](Part part) {
    for_each_block(
        p, part, [](int64_t, int64_t) {},
        [&](int64_t k, int64_t depth, int64_t first_row, int64_t last_row, const LeftBlock& left) {
          for (int64_t column = part.first_column, next; column < part.last_column; column = next) {
            const auto [first, width] = sliver_at(column, p.n);
            next = smaller_of(first + width, part.last_column);
            multiply_sliver(p, first_row, last_row, left, depth, k == 0,
                            packed + k * padded(p.n) + first * depth + column - first, width, column, next - column);
          }
        });
  });
}

void fill([[maybe_unused]] ProductKernels& k) {
#if ONDOL_HAS_FMA  // without it OpenBLAS, which is written for each processor by hand, is faster
  k = {multiply_product};
#endif
}

}  // namespace ondol::kernel::ONDOL_LEVEL
