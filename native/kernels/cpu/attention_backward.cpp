#include "kernels/cpu/attention_parts.h"

// Dao et al. 2022, algorithm 4: the probabilities P = exp(scores - lse) are computed again, tile by tile. With
// D = rowsum(out gout), dP = gout v^T and dS = scale P (dP - D):
//   gv = P^T gout      gq = dS k      gk = dS^T q

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

template <class T>
class AttentionGradient {
 public:
  AttentionGradient(const AttentionShape& s, const AttentionBackward<T>& a)
      : s_(s),
        a_(a),
        keys_(s, a.k, a.k_strides, s.width),
        values_(s, a.v, a.v_strides, s.value_width),
        products_(s.batch * s.heads * s.queries) {
    width_ = padded<T>(s.width), value_width_ = padded<T>(s.value_width);
    query_blocks_ = blocks_of(s.queries, query_block), key_blocks_ = blocks_of(s.keys, key_block);
    group_ = s.heads / s.key_heads;
    parallel_for(s.batch * s.heads, grain_for(16384, s.queries, s.value_width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t image = i / s.heads, head = i % s.heads;
        for (int64_t query = 0; query < s.queries; query++) {
          const T* out = row(a.out, a.out_strides, image, head, query);
          const T* gout = row(a.gout, a.gout_strides, image, head, query);
          Vec<T> products{};
          for_each_vector<T>(s.value_width, [&](int64_t c, auto part) {
            products += part.read(out + c, T(0)) * part.read(gout + c, T(0));
          });
          products_.get()[i * s.queries + query] = add_lanes<T>(products);
        }
      }
    });
  }

  /// One pass makes all three gradients if there are key heads enough for the threads; else gq gets a pass of its own,
  /// in which every query block is independent. Both add up in the same order.
  void run() {
    const bool one_pass = s_.batch * s_.key_heads >= num_threads();
    if (one_pass) {
      parallel_for(s_.batch * s_.key_heads, 1, [&](int64_t begin, int64_t end) {
        Workspace work(*this, group_ * s_.queries);
        for (int64_t i = begin; i < end; i++) key_head_gradients(i / s_.key_heads, i % s_.key_heads, work);
      });
      return;
    }
    parallel_for(s_.batch * s_.key_heads * key_blocks_, 1, [&](int64_t begin, int64_t end) {
      Workspace work(*this, 0);
      for (int64_t i = begin; i < end; i++) {
        const int64_t block = i % key_blocks_, head = i / key_blocks_ % s_.key_heads;
        key_block_gradients(i / (key_blocks_ * s_.key_heads), head, block, work, nullptr);
      }
    });
    parallel_for(s_.batch * s_.heads * query_blocks_, 1, [&](int64_t begin, int64_t end) {
      Workspace work(*this, query_block);
      for (int64_t i = begin; i < end; i++) {
        const int64_t index = i % query_blocks_, head = i / query_blocks_ % s_.heads;
        query_block_gradient(i / (query_blocks_ * s_.heads), head, index, work);
      }
    });
  }

 private:
  struct Workspace {
    Scratch<T> scores, slopes, query_rows, gout_rows, key_rows, gk, gv, gq;
    Workspace(const AttentionGradient& g, int64_t query_count)
        : scores(query_block * key_block),
          slopes(query_block * key_block),
          query_rows(query_block * g.width_),
          gout_rows(query_block * g.value_width_),
          key_rows(key_block * g.width_),
          gk(key_block * g.width_),
          gv(key_block * g.value_width_),
          gq(query_count * g.width_) {}
  };

  template <class P>
  static P* row(P* base, const AttentionStrides& strides, int64_t image, int64_t head, int64_t index) {
    return base + image * strides.batch + head * strides.head + index * strides.row;
  }
  static void zero(T* to, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = 0;
  }
  static void put(const T* from, int64_t from_stride, int64_t count, int64_t width, T* to, int64_t to_stride) {
    for (int64_t r = 0; r < count; r++) {
      for (int64_t c = 0; c < width; c++) to[r * to_stride + c] = from[r * from_stride + c];
    }
  }

  /// P into work.scores and dS into work.slopes.
  void probabilities(const ScoreTile& tile, int64_t key_index, Workspace& work) const {
    T *scores = work.scores.get(), *slopes = work.slopes.get();
    const int64_t key_head = tile.head / group_;
    product<T>(tile.queries, key_block / lanes<T>, s_.width,
               row(a_.q, a_.q_strides, tile.image, tile.head, tile.first_query), a_.q_strides.row, 1,
               keys_.block(tile.image, key_head, key_index), key_block, nullptr, false, scores, key_block);
    finish_scores(s_, tile, a_.mask, a_.mask_strides, scores);
    product<T>(tile.queries, key_block / lanes<T>, s_.value_width,
               row(a_.gout, a_.gout_strides, tile.image, tile.head, tile.first_query), a_.gout_strides.row, 1,
               values_.block(tile.image, key_head, key_index), key_block, nullptr, false, slopes, key_block);
    const int64_t first = (tile.image * s_.heads + tile.head) * s_.queries + tile.first_query;
    const T scale = static_cast<T>(s_.scale);
    for (int64_t r = 0; r < tile.queries; r++) {
      const T lse = a_.lse[first + r], base = lse == -__builtin_inff() ? T(0) : lse, dot = products_.get()[first + r];
      for (int64_t c = r * key_block; c < (r + 1) * key_block; c += lanes<T>) {
        const Vec<T> p = exp_flushed<T>(load(scores + c) - base);
        store(scores + c, p);
        store(slopes + c, scale * (p * (load(slopes + c) - dot)));
      }
    }
  }

  void add_query_gradient(const ScoreTile& tile, Workspace& work, T* gq) const {
    const MatrixRows<T> k = whole_vectors(row(a_.k, a_.k_strides, tile.image, tile.head / group_, tile.first_key),
                                          a_.k_strides.row, tile.keys, s_.width, work.key_rows.get());
    product<T>(tile.queries, width_ / lanes<T>, tile.keys, work.slopes.get(), key_block, 1, k.at, k.stride, nullptr,
               true, gq, width_);
  }

  /// gk and gv of one key block; with gq [group, queries, width_] that block's part of gq as well.
  void key_block_gradients(int64_t image, int64_t key_head, int64_t block, Workspace& work, T* gq) const {
    zero(work.gk.get(), key_block * width_);
    zero(work.gv.get(), key_block * value_width_);
    ScoreTile tile{};
    for (int64_t head = key_head * group_; head < (key_head + 1) * group_; head++) {
      for (int64_t index = 0; index < query_blocks_; index++) {
        tile = score_tile(s_, image, head, index, block);
        if (is_hidden(s_, tile)) continue;
        probabilities(tile, block, work);
        const MatrixRows<T> gout =
            whole_vectors(row(a_.gout, a_.gout_strides, image, head, tile.first_query), a_.gout_strides.row,
                          tile.queries, s_.value_width, work.gout_rows.get());
        const MatrixRows<T> q = whole_vectors(row(a_.q, a_.q_strides, image, head, tile.first_query), a_.q_strides.row,
                                              tile.queries, s_.width, work.query_rows.get());
        product<T>(tile.keys, value_width_ / lanes<T>, tile.queries, work.scores.get(), 1, key_block, gout.at,
                   gout.stride, nullptr, true, work.gv.get(), value_width_);
        product<T>(tile.keys, width_ / lanes<T>, tile.queries, work.slopes.get(), 1, key_block, q.at, q.stride, nullptr,
                   true, work.gk.get(), width_);
        if (gq) {
          add_query_gradient(tile, work, gq + ((head % group_) * s_.queries + tile.first_query) * width_);
        }
      }
    }
    const ScoreTile place = score_tile(s_, image, key_head * group_, 0, block);
    put(work.gk.get(), width_, place.keys, s_.width, row(a_.gk, a_.gk_strides, image, key_head, place.first_key),
        a_.gk_strides.row);
    put(work.gv.get(), value_width_, place.keys, s_.value_width,
        row(a_.gv, a_.gv_strides, image, key_head, place.first_key), a_.gv_strides.row);
  }

  void key_head_gradients(int64_t image, int64_t key_head, Workspace& work) const {
    zero(work.gq.get(), group_ * s_.queries * width_);
    for (int64_t block = 0; block < key_blocks_; block++)
      key_block_gradients(image, key_head, block, work, work.gq.get());
    for (int64_t i = 0; i < group_; i++) {
      put(work.gq.get() + i * s_.queries * width_, width_, s_.queries, s_.width,
          row(a_.gq, a_.gq_strides, image, key_head * group_ + i, 0), a_.gq_strides.row);
    }
  }

  void query_block_gradient(int64_t image, int64_t head, int64_t index, Workspace& work) const {
    zero(work.gq.get(), query_block * width_);
    const ScoreTile place = score_tile(s_, image, head, index, 0);
    for (int64_t block = 0; block < key_blocks_; block++) {
      const ScoreTile tile = score_tile(s_, image, head, index, block);
      if (is_hidden(s_, tile)) break;
      probabilities(tile, block, work);
      add_query_gradient(tile, work, work.gq.get());
    }
    put(work.gq.get(), width_, place.queries, s_.width, row(a_.gq, a_.gq_strides, image, head, place.first_query),
        a_.gq_strides.row);
  }

  const AttentionShape& s_;
  const AttentionBackward<T>& a_;
  TransposedBlocks<T> keys_, values_;
  Scratch<T> products_;  // D: [batch, heads, queries]
  int64_t width_, value_width_, query_blocks_, key_blocks_, group_;
};

}  // namespace

template <class T>
void attention_backward(const AttentionShape& s, const AttentionBackward<T>& a) {
  if (s.batch == 0 || s.heads == 0) return;
  AttentionGradient<T>(s, a).run();
}

template void attention_backward(const AttentionShape&, const AttentionBackward<float>&);
template void attention_backward(const AttentionShape&, const AttentionBackward<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
