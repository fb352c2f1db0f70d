#include "kernels/cpu/softmax.h"

#include "base/parallel.h"
#include "kernels/cpu/softmax_parts.h"
#include "kernels/cpu/softmax_row.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

inline constexpr int64_t grain = 1 << 12;  // powers of e for which another thread is worth waking

template <class T>
void softmax_row(const T* x, T* y, int64_t n) {
  using V = Vec<T>;
  V m = row_maximum(x, n), sum{};
  map_row<T>(n, [&](auto part) {
    V e = part.exists(exp(part.of(x, T(0)) - m));
    sum += e;
    part.put(y, e);
  });
  V scale = T(1) / total<T>(sum);
  map_row<T>(n, [&](auto part) { part.put(y, part.of(y, T(0)) * scale); });
}

template <class T>
void log_softmax_row(const T* x, T* y, int64_t n) {
  using V = Vec<T>;
  V m = row_maximum(x, n), log_sum = log(row_exp_sum(x, n, m));
  map_row<T>(n, [&](auto part) { part.put(y, (part.of(x, T(0)) - m) - log_sum); });
}

template <class T>
void softmax_backward_row(const T* dy, const T* y, T* dx, int64_t n) {
  using V = Vec<T>;
  V sum{};
  map_row<T>(n, [&](auto part) { sum += part.of(dy, T(0)) * part.of(y, T(0)); });
  sum = total<T>(sum);
  map_row<T>(n, [&](auto part) { part.put(dx, part.of(y, T(0)) * (part.of(dy, T(0)) - sum)); });
}

template <class T>
void log_softmax_backward_row(const T* dy, const T* y, T* dx, int64_t n) {
  using V = Vec<T>;
  V sum{};
  map_row<T>(n, [&](auto part) { sum += part.of(dy, T(0)); });
  sum = total<T>(sum);
  map_row<T>(n, [&](auto part) { part.put(dx, part.of(dy, T(0)) - exp(part.of(y, T(0))) * sum); });
}

// Along a middle axis neighbouring lines stand in neighbouring lanes: a column of vectors is one softmax a lane. Four
// columns at a time use whole cache lines.
inline constexpr int columns_together = 4;

template <class T>
struct Columns {
  int64_t n, stride;
  int count;  // lanes in use, of columns_together * lanes<T>

  /// f(row's offset, vector index, part)
  template <class F>
  void each(F f) const {
    for (int64_t r = 0; r < n; ++r) {
      int j = 0, from = 0;
      for (; from + lanes<T> <= count; from += lanes<T>, ++j) f(j, WholePart<T>{r * stride + from});
      if (from < count) f(j, ShortPart<T>{r * stride + from, count - from});
    }
  }
};

template <class T>
void softmax_columns(const T* x, T* y, const Columns<T>& c) {
  using V = Vec<T>;
  V m[columns_together], sum[columns_together] = {};
  for (auto& v : m) v = broadcast(-infinity<T>);
  c.each([&](int j, auto part) { m[j] = maximum(m[j], part.of(x, T(0))); });
  c.each([&](int j, auto part) {
    V e = exp(part.of(x, T(0)) - m[j]);
    sum[j] += e;
    part.put(y, e);
  });
  for (auto& v : sum) v = T(1) / v;
  c.each([&](int j, auto part) { part.put(y, part.of(y, T(0)) * sum[j]); });
}

template <class T>
void log_softmax_columns(const T* x, T* y, const Columns<T>& c) {
  using V = Vec<T>;
  V m[columns_together], sum[columns_together] = {};
  for (auto& v : m) v = broadcast(-infinity<T>);
  c.each([&](int j, auto part) { m[j] = maximum(m[j], part.of(x, T(0))); });
  c.each([&](int j, auto part) { sum[j] += exp(part.of(x, T(0)) - m[j]); });
  for (auto& v : sum) v = log(v);
  c.each([&](int j, auto part) { part.put(y, (part.of(x, T(0)) - m[j]) - sum[j]); });
}

template <class T>
void softmax_backward_columns(const T* dy, const T* y, T* dx, const Columns<T>& c) {
  Vec<T> sum[columns_together] = {};
  c.each([&](int j, auto part) { sum[j] += part.of(dy, T(0)) * part.of(y, T(0)); });
  c.each([&](int j, auto part) { part.put(dx, part.of(y, T(0)) * (part.of(dy, T(0)) - sum[j])); });
}

template <class T>
void log_softmax_backward_columns(const T* dy, const T* y, T* dx, const Columns<T>& c) {
  Vec<T> sum[columns_together] = {};
  c.each([&](int j, auto part) { sum[j] += part.of(dy, T(0)); });
  c.each([&](int j, auto part) { part.put(dx, part.of(dy, T(0)) - exp(part.of(y, T(0))) * sum[j]); });
}

/// row(offset) for each contiguous line, or columns(offset, columns) for each group of neighbouring lines.
template <class T, class Row, class Group>
void for_lines(Lines lines, Row row, Group group) {
  const int64_t n = lines.n, inner = lines.inner;
  if (lines.are_empty()) return;
  if (inner == 1) {
    parallel_for(lines.outer, grain_for(grain, n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) row(i * n);
    });
    return;
  }
  constexpr int64_t width = columns_together * lanes<T>;
  const int64_t groups = (inner + width - 1) / width;
  parallel_for(lines.outer * groups, grain_for(grain, n, width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t column = i % groups * width;
      int count = int(inner - column < width ? inner - column : width);
      group(i / groups * n * inner + column, Columns<T>{n, inner, count});
    }
  });
}

template <class T>
void softmax(const T* x, T* y, Lines lines) {
  for_lines<T>(
      lines, [=](int64_t at) { softmax_row(x + at, y + at, lines.n); },
      [=](int64_t at, auto columns) { softmax_columns(x + at, y + at, columns); });
}
template <class T>
void log_softmax(const T* x, T* y, Lines lines) {
  for_lines<T>(
      lines, [=](int64_t at) { log_softmax_row(x + at, y + at, lines.n); },
      [=](int64_t at, auto columns) { log_softmax_columns(x + at, y + at, columns); });
}
template <class T>
void softmax_backward(const T* dy, const T* y, T* dx, Lines lines) {
  for_lines<T>(
      lines, [=](int64_t at) { softmax_backward_row(dy + at, y + at, dx + at, lines.n); },
      [=](int64_t at, auto columns) { softmax_backward_columns(dy + at, y + at, dx + at, columns); });
}
template <class T>
void log_softmax_backward(const T* dy, const T* y, T* dx, Lines lines) {
  for_lines<T>(
      lines, [=](int64_t at) { log_softmax_backward_row(dy + at, y + at, dx + at, lines.n); },
      [=](int64_t at, auto columns) { log_softmax_backward_columns(dy + at, y + at, dx + at, columns); });
}

template <class T>
void fill_for(SoftmaxFunctions<T>& k) {
  k.softmax = softmax<T>;
  k.log_softmax = log_softmax<T>;
  k.softmax_backward = softmax_backward<T>;
  k.log_softmax_backward = log_softmax_backward<T>;
}

}  // namespace

void fill(SoftmaxKernels& k) {
  fill_for(k.float32);
  fill_for(k.float64);
  fill_cross_entropy(k);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
