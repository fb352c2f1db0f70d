#pragma once

#include "base/parallel.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/math_exponential.h"
#include "kernels/cpu/normalization_lanes.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {

// The parts of the attention family, one file each; instantiated there for float and double.
template <class T>
void attention_forward(const AttentionShape&, const AttentionForward<T>&);
template <class T>
void attention_backward(const AttentionShape&, const AttentionBackward<T>&);

// A tile of scores is query_block x key_block: whole register tiles for every instruction set, 24 KB in float.
inline constexpr int64_t query_block = 64, key_block = 96;

inline int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }
template <class T>
inline int64_t padded(int64_t n) {
  return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

/// Rows of a matrix in memory, `stride` apart.
template <class T>
struct MatrixRows {
  const T* at;
  int64_t stride;
};

/// [count, width] as rows of whole vectors: in place if they are, else copied to `scratch` with zeros behind.
template <class T>
inline MatrixRows<T> whole_vectors(const T* from, int64_t stride, int64_t count, int64_t width, T* scratch) {
  const int64_t full = padded<T>(width);
  if (full == width) return {from, stride};
  for (int64_t r = 0; r < count; r++) {
    for (int64_t c = 0; c < full; c++) scratch[r * full + c] = c < width ? from[r * stride + c] : T(0);
  }
  return {scratch, full};
}

/// Every key block of [batch, key_heads, keys, width], transposed: [width, key_block], zeros behind the last key.
template <class T>
class TransposedBlocks {
 public:
  TransposedBlocks(const AttentionShape& s, const T* from, AttentionStrides strides, int64_t width)
      : heads_(s.key_heads),
        blocks_(blocks_of(s.keys, key_block)),
        size_(width * key_block),
        data_(s.batch * heads_ * blocks_ * size_) {
    parallel_for(s.batch * heads_ * blocks_, grain_for(16384, size_), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t block = i % blocks_, head = i / blocks_ % heads_, image = i / (blocks_ * heads_);
        const int64_t first = block * key_block, count = s.keys - first < key_block ? s.keys - first : key_block;
        const T* rows = from + image * strides.batch + head * strides.head + first * strides.row;
        T* to = data_.get() + i * size_;
        for (int64_t c = 0; c < width; c++) {
          for (int64_t r = 0; r < count; r++) to[c * key_block + r] = rows[r * strides.row + c];
          for (int64_t r = count; r < key_block; r++) to[c * key_block + r] = 0;
        }
      }
    });
  }

  const T* block(int64_t image, int64_t head, int64_t block) const {
    return data_.get() + ((image * heads_ + head) * blocks_ + block) * size_;
  }

 private:
  int64_t heads_, blocks_, size_;
  Scratch<T> data_;
};

/// Where one tile of scores lies.
struct ScoreTile {
  int64_t image, head, first_query, queries, first_key, keys;
};

inline ScoreTile score_tile(const AttentionShape& s, int64_t image, int64_t head, int64_t query_index,
                            int64_t key_index) {
  const int64_t query = query_index * query_block, key = key_index * key_block;
  return {image, head,
          query, s.queries - query < query_block ? s.queries - query : query_block,
          key,   s.keys - key < key_block ? s.keys - key : key_block};
}

/// Whether no query of the tile sees a key of it.
inline bool is_hidden(const AttentionShape& s, const ScoreTile& tile) {
  return s.causal && tile.first_key >= tile.first_query + tile.queries;
}

/// exp(x) for x <= 0, with 0 for what would be denormal: those take the processor a hundred cycles each, and -inf,
/// which stands for every hidden key, passes through them on its way to 0.
template <class T>
inline Vec<T> exp_flushed(Vec<T> x) {
  constexpr T lowest = sizeof(T) == 4 ? T(-87) : T(-708);
  const auto tiny = x < lowest;
  const Vec<T> value = exp(tiny ? Vec<T>{} : x);
  return tiny ? Vec<T>{} : value;
}

/// Products become scores: scale, mask; -inf for what is hidden and for the columns behind the last key.
template <class T>
inline void finish_scores(const AttentionShape& s, const ScoreTile& tile, const T* mask,
                          const int64_t (&mask_strides)[4], T* scores) {
  const T scale = static_cast<T>(s.scale), lowest = -__builtin_inff();
  for (int64_t r = 0; r < tile.queries; r++) {
    T* row = scores + r * key_block;
    for (int64_t c = 0; c < key_block; c += lanes<T>) store(row + c, load(row + c) * scale);
    if (mask) {
      const T* add = mask + tile.image * mask_strides[0] + tile.head * mask_strides[1] +
                     (tile.first_query + r) * mask_strides[2] + tile.first_key * mask_strides[3];
      if (mask_strides[3] == 1) {
        for (int64_t c = 0; c < tile.keys; c++) row[c] += add[c];
      } else {
        for (int64_t c = 0; c < tile.keys; c++) row[c] += add[c * mask_strides[3]];
      }
    }
    int64_t visible = tile.keys;
    if (s.causal && tile.first_query + r - tile.first_key + 1 < visible)
      visible = tile.first_query + r - tile.first_key + 1;
    for (int64_t c = visible > 0 ? visible : 0; c < key_block; c++) row[c] = lowest;
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
