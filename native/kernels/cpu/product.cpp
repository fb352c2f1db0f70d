// Matrix products of float as Goto and van de Geijn 2008 build them: a register tile of c, the right operand packed
// into slivers as wide as the tile. The left one is read where it is if its rows are contiguous, for its elements are
// only broadcast.

#include "kernels/cpu/product.h"

#include "base/parallel.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/product_pack.h"
#include "kernels/cpu/product_parts.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

inline constexpr int64_t sliver = tile_vectors * lanes<float>;  // columns
inline constexpr int64_t deepest = 384;                         // rows of b that are packed at a time

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t smaller_of(int64_t a, int64_t b) { return a < b ? a : b; }

/// Depth is cut into equal blocks; c is loaded and stored once for each.
int64_t block_depth(int64_t k) { return k > deepest ? ceil_div(k, ceil_div(k, deepest)) : k; }
/// The columns of a packed operand, whole vectors.
int64_t padded(int64_t n) { return ceil_div(n, lanes<float>) * lanes<float>; }

/// The rows and columns of one task, whole tiles and whole vectors but for the last.
struct Part {
  int64_t first_row, last_row, first_column, last_column;
};

/// The grid of tasks that finishes first: each packs its slivers, which costs about as much as `pack_rows` rows of the
/// product.
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
    const int64_t time = (ceil_div(tiles, rows) * tile_rows + pack_rows) * ceil_div(vectors, columns);
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

/// The left operand's rows [first, last) and columns [k, k + depth), as product() reads them.
class LeftBlock {
 public:
  LeftBlock(const MatrixProduct& p, const Part& part)
      : a_(p.a),
        first_(part.first_row),
        rows_(part.last_row - part.first_row),
        in_place_(p.a.column == 1),
        packed_(in_place_ ? 0 : ceil_div(rows_, tile_rows) * tile_rows * block_depth(p.k)) {}

  void load(int64_t k, int64_t depth) {
    k_ = k, depth_ = depth;
    if (!in_place_) pack_rows<tile_rows>(a_.data + first_ + k * a_.column, a_.column, rows_, depth, packed_.get());
  }
  /// Where the tile that begins at row r of the block is, from row to row and along the depth.
  MatrixView tile(int64_t r) const {
    if (in_place_) return {a_.data + (first_ + r) * a_.row + k_, a_.row, 1};
    return {packed_.get() + r * depth_, 1, tile_rows};
  }

 private:
  MatrixView a_;
  int64_t first_, rows_, k_ = 0, depth_ = 0;
  bool in_place_;
  Scratch<float> packed_;
};

/// All rows of a task times one sliver. `begins` says that these are the first elements of the sums.
void multiply_sliver(const MatrixProduct& p, const Part& part, const LeftBlock& left, int64_t depth, bool begins,
                     const float* b, int64_t b_row, int64_t column, int64_t columns) {
  const int64_t vectors = ceil_div(columns, lanes<float>);
  const bool whole = columns == vectors * lanes<float>, adds = p.accumulate || !begins;
  alignas(64) float edge[tile_rows * sliver];
  for (int64_t row = part.first_row; row < part.last_row; row += tile_rows) {
    const int64_t rows = smaller_of(tile_rows, part.last_row - row);
    const MatrixView a = left.tile(row - part.first_row);
    float* c = p.c + row * p.c_row + column;
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

/// Sums of nothing.
bool is_empty(const MatrixProduct& p) {
  if (p.k > 0 || p.accumulate) return p.k == 0;
  for (int64_t i = 0; i < p.m; i++)
    for (int64_t j = 0; j < p.n; j++) p.c[i * p.c_row + j] = p.bias ? p.bias[j] : 0;
  return true;
}

void pack(MatrixView b, int64_t k, int64_t n, float* packed) {
  const int64_t slivers = ceil_div(n, sliver), depth_of_block = block_depth(k);
  parallel_for(slivers, 1 + (1 << 15) / (k * sliver + 1), [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; s++) {
      const int64_t column = s * sliver, columns = smaller_of(sliver, n - column);
      for (int64_t at = 0; at < k; at += depth_of_block) {
        const int64_t depth = smaller_of(depth_of_block, k - at);
        pack_sliver({b.data + at * b.row + column * b.column, b.row, b.column}, depth, columns,
                    packed + at * padded(n) + column * depth);
      }
    }
  });
}

}  // namespace

void multiply_product(const MatrixProduct& p) {
  if (is_empty(p)) return;
  constexpr int64_t few_rows = 4 * tile_rows;  // for which packing costs more than reading rows of b that lie apart
  const bool direct = p.b.column == 1 && p.m <= few_rows;
  const int64_t depth_of_block = block_depth(p.k);
  run_grid(p, choose_grid(p, direct ? 0 : tile_rows), [&](Part part) {
    LeftBlock left(p, part);
    Scratch<float> packed(depth_of_block * sliver);
    for (int64_t k = 0; k < p.k; k += depth_of_block) {
      const int64_t depth = smaller_of(depth_of_block, p.k - k);
      left.load(k, depth);
      for (int64_t column = part.first_column; column < part.last_column; column += sliver) {
        const int64_t columns = smaller_of(sliver, part.last_column - column);
        const float* b = p.b.data + k * p.b.row + column * p.b.column;
        if (direct && columns % lanes<float> == 0) {
          multiply_sliver(p, part, left, depth, k == 0, b, p.b.row, column, columns);
          continue;
        }
        pack_sliver({b, p.b.row, p.b.column}, depth, columns, packed.get());
        multiply_sliver(p, part, left, depth, k == 0, packed.get(), padded(columns), column, columns);
      }
    }
  });
}

// A packed operand is its blocks of depth one behind the other, each of slivers.

int64_t packed_product_size(int64_t k, int64_t n) { return k * padded(n); }

int64_t packed_product_offset(int64_t k, int64_t n, int64_t row, int64_t column) {
  const int64_t depth_of_block = block_depth(k), block = row / depth_of_block * depth_of_block;
  const int64_t depth = smaller_of(depth_of_block, k - block), first = column / sliver * sliver;
  const int64_t width = smaller_of(sliver, padded(n) - first);
  return block * padded(n) + first * depth + (row - block) * width + column - first;
}

void multiply_packed_product(const MatrixProduct& p, const float* packed) {
  if (is_empty(p)) return;
  const int64_t depth_of_block = block_depth(p.k);
  run_grid(p, choose_grid(p, 0), [&](Part part) {
    LeftBlock left(p, part);
    for (int64_t k = 0; k < p.k; k += depth_of_block) {
      const int64_t depth = smaller_of(depth_of_block, p.k - k);
      left.load(k, depth);
      for (int64_t column = part.first_column, next; column < part.last_column; column = next) {
        const int64_t first = column / sliver * sliver, width = smaller_of(sliver, padded(p.n) - first);
        next = smaller_of(first + sliver, part.last_column);
        multiply_sliver(p, part, left, depth, k == 0, packed + k * padded(p.n) + first * depth + column - first, width,
                        column, next - column);
      }
    }
  });
}

void fill(ProductKernels& k) {
#if ONDOL_HAS_FMA  // without it OpenBLAS, which is written for each processor by hand, is faster
  k = {multiply_product, packed_product_size, pack, multiply_packed_product};
#endif
}

}  // namespace ondol::kernel::ONDOL_LEVEL
