#include "kernels/cpu/attention_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// The running softmax of a block of queries (Milakov & Gimelshein 2018): out holds sum(exp(score - most) value).
template <class T>
struct RunningSoftmax {
  T most[query_block], sum[query_block];

  void start() {
    for (int64_t r = 0; r < query_block; r++) most[r] = -__builtin_inff(), sum[r] = 0;
  }

  /// Scores become exp(score - most), and what was summed before is scaled down to the new `most`. Without a branch on
  /// whether it grew: that is the toss of a coin, which no processor predicts.
  void add(int64_t queries, T* scores, T* out, int64_t out_width) {
    T base[query_block] = {}, factor[query_block];
    for (int64_t r = 0; r < queries; r++) base[r] = largest_of(scores + r * key_block, most[r]);
    for (int64_t r = 0; r < query_block; r += lanes<T>) {
      const Vec<T> top = load(base + r);
      // Nothing seen so far: any finite number will do instead of -inf - -inf.
      const Vec<T> finite = top == -__builtin_inff() ? Vec<T>{} : top;
      store(factor + r, exp_flushed<T>(load(most + r) - finite));
      store(most + r, top);
      store(base + r, finite);
    }
    for (int64_t r = 0; r < queries; r++) {
      sum[r] = sum[r] * factor[r] + exponentials(scores + r * key_block, base[r]);
      T* row = out + r * out_width;
      for (int64_t c = 0; c < out_width; c += lanes<T>) store(row + c, load(row + c) * factor[r]);
    }
  }

 private:
  static T largest_of(const T* row, T start) {
    Vec<T> largest = broadcast(start);
    for (int64_t c = 0; c < key_block; c += lanes<T>) {
      const Vec<T> value = load(row + c);
      largest = value > largest ? value : largest;
    }
    return fold_lanes<T>(largest, [](Vec<T> x, Vec<T> y) { return x > y ? x : y; });
  }

  /// exp(row - base) in place, and its sum.
  static T exponentials(T* row, T base) {
    Vec<T> total{};
    for (int64_t c = 0; c < key_block; c += lanes<T>) {
      const Vec<T> value = exp_flushed<T>(load(row + c) - base);
      store(row + c, value);
      total += value;
    }
    return add_lanes<T>(total);
  }
};

/// Scores of few queries: not worth transposing the keys.
template <class T>
void scores_by_rows(const ScoreTile& tile, int64_t width, const T* q, int64_t q_row, const T* k, int64_t k_row,
                    T* scores) {
  for (int64_t r = 0; r < tile.queries; r++) {
    for (int64_t c = 0; c < tile.keys; c++) {
      Vec<T> products{};
      for_each_vector<T>(width, [&](int64_t i, auto part) {
        products += part.read(q + r * q_row + i, T(0)) * part.read(k + c * k_row + i, T(0));
      });
      scores[r * key_block + c] = add_lanes<T>(products);
    }
    for (int64_t c = tile.keys; c < key_block; c++) scores[r * key_block + c] = 0;
  }
}

}  // namespace

template <class T>
void attention_forward(const AttentionShape& s, const AttentionForward<T>& a) {
  const int64_t query_blocks = blocks_of(s.queries, query_block), key_blocks = blocks_of(s.keys, key_block);
  const bool few_queries = s.queries < 8;
  AttentionShape packed = s;
  if (few_queries) packed.batch = 0;
  const TransposedBlocks<T> keys(packed, a.k, a.k_strides, s.width);
  const int64_t out_width = padded<T>(s.value_width);

  parallel_for(s.batch * s.heads * query_blocks, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> scores(query_block * key_block), out(query_block * out_width), values(key_block * out_width);
    for (int64_t item = begin; item < end; item++) {
      const int64_t index = item % query_blocks, head = item / query_blocks % s.heads,
                    image = item / (query_blocks * s.heads);
      const int64_t key_head = head / (s.heads / s.key_heads);
      const T* k = a.k + image * a.k_strides.batch + key_head * a.k_strides.head;
      const T* v = a.v + image * a.v_strides.batch + key_head * a.v_strides.head;
      ScoreTile tile = score_tile(s, image, head, index, 0);
      const T* q = a.q + image * a.q_strides.batch + head * a.q_strides.head + tile.first_query * a.q_strides.row;
      RunningSoftmax<T> softmax;
      softmax.start();
      for (int64_t i = 0; i < tile.queries * out_width; i++) out.get()[i] = 0;

      for (int64_t block = 0; block < key_blocks; block++) {
        tile = score_tile(s, image, head, index, block);
        if (is_hidden(s, tile)) break;
        if (few_queries) {
          scores_by_rows(tile, s.width, q, a.q_strides.row, k + tile.first_key * a.k_strides.row, a.k_strides.row,
                         scores.get());
        } else {
          product<T>(tile.queries, key_block / lanes<T>, s.width, q, a.q_strides.row, 1,
                     keys.block(image, key_head, block), key_block, nullptr, false, scores.get(), key_block);
        }
        finish_scores(s, tile, a.mask, a.mask_strides, scores.get());
        softmax.add(tile.queries, scores.get(), out.get(), out_width);
        const MatrixRows<T> rows = whole_vectors(v + tile.first_key * a.v_strides.row, a.v_strides.row, tile.keys,
                                                 s.value_width, values.get());
        product<T>(tile.queries, out_width / lanes<T>, tile.keys, scores.get(), key_block, 1, rows.at, rows.stride,
                   nullptr, true, out.get(), out_width);
      }

      T* to = a.out + image * a.out_strides.batch + head * a.out_strides.head + tile.first_query * a.out_strides.row;
      T* lse = a.lse + (image * s.heads + head) * s.queries + tile.first_query;
      for (int64_t r = 0; r < tile.queries; r++) {
        const T sum = softmax.sum[r], inverse = sum == 0 ? T(0) : 1 / sum;
        for (int64_t c = 0; c < s.value_width; c++)
          to[r * a.out_strides.row + c] = out.get()[r * out_width + c] * inverse;
        lse[r] = softmax.most[r] + log(broadcast(sum))[0];
      }
    }
  });
}

template void attention_forward(const AttentionShape&, const AttentionForward<float>&);
template void attention_forward(const AttentionShape&, const AttentionForward<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
