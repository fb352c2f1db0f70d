#pragma once

#include "kernels/cpu/convolution.h"
#include "kernels/cpu/every_second.h"
#include "kernels/cpu/lane_range.h"
#include "kernels/cpu/scratch.h"

// Depthwise convolutions with small square kernels, computed from the planes as they lie: no copy with padding is made.
// Nine multiply-adds for a number read and one written leave memory the bound, so that all that matters is to touch
// each line of the cache once. A band of target rows goes through the plane; source rows outside it are a row of
// zeros, columns outside it are lanes that are not loaded.

namespace ondol::kernel::ONDOL_LEVEL {

/// A plane [height, width], rows of zeros around it.
template <class T>
class ZeroBordered {
 public:
  ZeroBordered(int64_t height, int64_t width) : height_(height), width_(width), zeros_(width) {
    for (int64_t i = 0; i < width; i++) zeros_.get()[i] = 0;
  }
  const T* row(const T* plane, int64_t h) const { return h >= 0 && h < height_ ? plane + h * width_ : zeros_.get(); }
  int64_t width() const { return width_; }

 private:
  int64_t height_, width_;
  Scratch<T> zeros_;
};

/// A vector of target columns, tap k of which reads source column target * step + k + start.
template <class T, int size, int step>
struct ColumnBlock {
  int64_t column, from;  // the first target column; the source column that its tap 0 reads
  int count;             // of target columns
  bool inside;           // whether all that it reads lies in the plane
  LaneRange<T> reads[size][step];

  ColumnBlock(int64_t first, int64_t target_width, int64_t start, int64_t source_width)
      : column(first), from(first * step + start) {
    constexpr int64_t L = lanes<T>;
    count = static_cast<int>(target_width - first < L ? target_width - first : L);
    inside = from >= 0 && from + size - 1 + step * L <= source_width;
    for (int k = 0; k < size; k++)
      for (int part = 0; part < step; part++) {
        const int64_t at = from + k + part * L;
        reads[k][part] = LaneRange<T>(-at, source_width - at);
      }
  }

  /// What each tap of a row of the kernel reads of a source row.
  template <bool is_inside>
  void read(const T* row, Vec<T>* taps) const {
    const auto load_at = [&](int k, int part) {
      const T* at = row + from + k + part * lanes<T>;
      return is_inside ? load(at) : reads[k][part].load(at);
    };
#pragma GCC unroll 8
    for (int k = 0; k < size; k += step) {
      taps[k] = load_at(k, 0);
      if constexpr (step == 2) {
        const Parted<T> parted = part<T>(taps[k], load_at(k, 1));
        taps[k] = parted.even;
        if (k + 1 < size) taps[k + 1] = parted.odd;
      }
    }
  }
};

template <class Block>
class ColumnBlocks {
 public:
  ColumnBlocks(int64_t target_width, int64_t start, int64_t source_width, int lane_count)
      : count_((target_width + lane_count - 1) / lane_count), blocks_(count_) {
    for (int64_t i = 0; i < count_; i++) blocks_.get()[i] = Block(i * lane_count, target_width, start, source_width);
  }
  const Block* begin() const { return blocks_.get(); }
  const Block* end() const { return blocks_.get() + count_; }

 private:
  int64_t count_;
  Scratch<Block> blocks_;
};

/// target (h, w) = bias + the sum over taps of weight * source (h * step + kh - padding_h, w * step + kw - padding_w).
template <class T, int size, int step>
class DepthwiseRows {
 public:
  DepthwiseRows(const int64_t source[3], const int64_t target[3], const int64_t padding[3])
      : source_(source[1], source[2]),
        blocks_(target[2], -padding[2], source[2], lanes<T>),
        height_(target[1]),
        width_(target[2]),
        start_(-padding[1]) {}

  void product(const T* source, const T* weights, T bias, T* target) const {
    Vec<T> weight[size * size];
    for (int k = 0; k < size * size; k++) weight[k] = broadcast(weights[k]);
    int64_t h = 0;
    for (; h + 4 <= height_; h += 4) product_rows<4>(source, h, weight, bias, target);
    for (; h < height_; h++) product_rows<1>(source, h, weight, bias, target);
  }

  /// Adds to sums[kh * size + kw] the products of gradient (h, w) with what that tap reads, lane by lane.
  void add_weight_gradient(const T* source, const T* gradient, Vec<T>* sums) const {
    Vec<T> sum[size * size];
#pragma GCC unroll 32
    for (int k = 0; k < size * size; k++) sum[k] = sums[k];
    int64_t h = 0;
    for (; h + 2 <= height_; h += 2) gradient_rows<2>(source, h, gradient, sum);
    if (h < height_) gradient_rows<1>(source, h, gradient, sum);
#pragma GCC unroll 32
    for (int k = 0; k < size * size; k++) sums[k] = sum[k];
  }

 private:
  using Block = ColumnBlock<T, size, step>;
  template <int rows>
  static constexpr int source_rows = (rows - 1) * step + size;

  template <int rows>
  void find_rows(const T* source, int64_t h, const T** row) const {
    for (int i = 0; i < source_rows<rows>; i++) row[i] = source_.row(source, h * step + start_ + i);
  }

  template <int rows>
  void product_rows(const T* source, int64_t h, const Vec<T>* weight, T bias, T* target) const {
    const T* row[source_rows<rows>];
    find_rows<rows>(source, h, row);
    T* to = target + h * width_;
    for (const Block& block : blocks_) {
      Vec<T> sum[rows];
      if (block.inside)
        product_block<rows, true>(block, row, weight, bias, sum);
      else
        product_block<rows, false>(block, row, weight, bias, sum);
#pragma GCC unroll 4
      for (int r = 0; r < rows; r++) {
        store_up_to(to + r * width_ + block.column, sum[r], block.count);
      }
    }
  }

  template <int rows, bool inside>
  static void product_block(const Block& block, const T* const* row, const Vec<T>* weight, T bias, Vec<T>* sum) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) sum[r] = broadcast(bias);
#pragma GCC unroll 16
    for (int i = 0; i < source_rows<rows>; i++) {
      Vec<T> taps[size];
      block.template read<inside>(row[i], taps);
#pragma GCC unroll 4
      for (int r = 0; r < rows; r++) {
        const int k = i - r * step;
        if (k < 0 || k >= size) continue;
#pragma GCC unroll 8
        for (int j = 0; j < size; j++) sum[r] += weight[k * size + j] * taps[j];
      }
    }
  }

  template <int rows>
  void gradient_rows(const T* source, int64_t h, const T* gradient, Vec<T>* sum) const {
    const T* row[source_rows<rows>];
    find_rows<rows>(source, h, row);
    const T* from = gradient + h * width_;
    for (const Block& block : blocks_) {
      Vec<T> g[rows];
#pragma GCC unroll 2
      for (int r = 0; r < rows; r++) {
        const T* at = from + r * width_ + block.column;
        g[r] = load_up_to(at, block.count);
      }
      if (block.inside)
        gradient_block<rows, true>(block, row, g, sum);
      else
        gradient_block<rows, false>(block, row, g, sum);
    }
  }

  template <int rows, bool inside>
  static void gradient_block(const Block& block, const T* const* row, const Vec<T>* g, Vec<T>* sum) {
#pragma GCC unroll 16
    for (int i = 0; i < source_rows<rows>; i++) {
      Vec<T> taps[size];
      block.template read<inside>(row[i], taps);
#pragma GCC unroll 2
      for (int r = 0; r < rows; r++) {
        const int k = i - r * step;
        if (k < 0 || k >= size) continue;
#pragma GCC unroll 8
        for (int j = 0; j < size; j++) sum[k * size + j] += g[r] * taps[j];
      }
    }
  }

  ZeroBordered<T> source_;
  ColumnBlocks<Block> blocks_;
  int64_t height_, width_, start_;
};

/// The gradient of the input of stride 2, for paddings with that parity: target 2 i + a receives source i + top - d by
/// tap 2 (d - shift) + the parity of a + padding, where shift = parity for a = 0 and 0 for a = 1; and so along both
/// axes. Four targets share what they read.
template <class T, int size, int parity>
class DepthwiseTransposedRows {
 public:
  DepthwiseTransposedRows(const int64_t source[3], const int64_t target[3], const int64_t padding[3])
      : source_(source[1], source[2]),
        blocks_((target[2] + 1) / 2, (padding[2] >> 1) + parity - (reach - 1), source[2], lanes<T>),
        height_(target[1]),
        width_(target[2]),
        top_((padding[1] >> 1) + parity) {}

  void product(const T* source, const T* weights, T bias, T* target) const {
    Vec<T> weight[size * size];
    for (int k = 0; k < size * size; k++) weight[k] = broadcast(weights[k]);
    for (int64_t i = 0; 2 * i < height_; i++) {
      const T* row[reach];
      for (int d = 0; d < reach; d++) row[d] = source_.row(source, i + top_ - d);
      for (const Block& block : blocks_) {
        Vec<T> sum[2][2];
        if (block.inside)
          product_block<true>(block, row, weight, bias, sum);
        else
          product_block<false>(block, row, weight, bias, sum);
        for (int a = 0; a < 2 && 2 * i + a < height_; a++)
          store_alternating(target + (2 * i + a) * width_ + 2 * block.column, width_ - 2 * block.column, sum[a][0],
                            sum[a][1]);
      }
    }
  }

 private:
  static constexpr int reach = (size + 1) / 2;
  using Block = ColumnBlock<T, reach, 1>;

  template <bool inside>
  static void product_block(const Block& block, const T* const* row, const Vec<T>* weight, T bias, Vec<T> (*sum)[2]) {
    Vec<T> from[reach][reach];  // columns ascend, unlike d
#pragma GCC unroll 4
    for (int d = 0; d < reach; d++) block.template read<inside>(row[d], from[d]);
#pragma GCC unroll 2
    for (int a = 0; a < 2; a++) {
#pragma GCC unroll 2
      for (int b = 0; b < 2; b++) {
        sum[a][b] = broadcast(bias);
#pragma GCC unroll 4
        for (int kh = (a + parity) % 2; kh < size; kh += 2) {
          const int d = kh / 2 + (a == 0 ? parity : 0);
#pragma GCC unroll 4
          for (int kw = (b + parity) % 2; kw < size; kw += 2) {
            const int e = kw / 2 + (b == 0 ? parity : 0);
            sum[a][b] += weight[kh * size + kw] * from[d][reach - 1 - e];
          }
        }
      }
    }
  }

  ZeroBordered<T> source_;
  ColumnBlocks<Block> blocks_;
  int64_t height_, width_, top_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
