#include "kernels/cpu/sort.h"

#include <new>

#include "base/parallel.h"
#include "kernels/cpu/math_instructions.h"
#include "kernels/cpu/sort_items.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

inline constexpr int64_t grain = 1 << 12;  // elements for which another thread is worth waking
// Wider digits mean fewer passes and more counters to clear; below the first threshold merging is faster than either.
inline constexpr int64_t narrow_digits_from = 192, wide_digits_from = 4096;

/// Calls f(items, spare, offset of the line in x, offset of its result) for every line, with room for `room` items
/// twice.
template <class Item, class F>
void for_lines(Lines lines, int64_t result_length, int64_t room, F f) {
  if (lines.are_empty()) return;
  const int64_t inner = lines.inner;
  parallel_for(lines.outer * inner, grain_for(grain, lines.n), [&](int64_t begin, int64_t end) {
    Item* items = static_cast<Item*>(::operator new(2 * (room + 1) * sizeof(Item)));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t outer = i / inner, column = i % inner;
      f(items, items + room + 1, outer * lines.n * inner + column, outer * result_length * inner + column);
    }
    ::operator delete(items);
  });
}

template <class T>
inline void write_items(const ItemOf<T>* items, int64_t count, const T* x, T* values, int64_t* indices, int64_t step) {
  if (values)
    for (int64_t r = 0; r < count; ++r) values[r * step] = x[items[r].index() * step];
  if (indices)
    for (int64_t r = 0; r < count; ++r) indices[r * step] = items[r].index();
}

template <class T>
void sort(const T* x, T* values, int64_t* indices, Lines lines, bool descending) {
  using Item = ItemOf<T>;
  const int64_t n = lines.n, step = lines.inner;
  for_lines<Item>(lines, n, n, [&](Item* items, Item* spare, int64_t from, int64_t to) {
    for (int64_t r = 0; r < n; ++r) items[r] = Item::of(sort_key(x[from + r * step], descending), uint32_t(r));
    if (n >= wide_digits_from)
      items = radix_sort<11>(items, spare, n, int(8 * sizeof(T)));
    else if (n >= narrow_digits_from)
      items = radix_sort<8>(items, spare, n, int(8 * sizeof(T)));
    else
      merge_sort(items, spare, n);
    write_items(items, n, x + from, values ? values + to : nullptr, indices ? indices + to : nullptr, step);
  });
}

/// Whether none of the vector's elements comes before `limit`: NaN is the largest, and what is not below or equal may
/// be.
template <class T>
inline bool none_before(const T* x, T limit, bool descending) {
  const Vec<T> v = load(x);
  return descending ? !any(~(v <= limit)) : !any(~(v >= limit));
}

/// The k first items of a line in sorted order, at the front of `items`. Only elements that beat the k-th best so far
/// enter the buffer; whenever that is full, a selection keeps the best k. Soon few elements do, and whole vectors are
/// passed over.
template <class T>
inline void best_items(const T* x, int64_t n, int64_t step, int64_t k, bool descending, ItemOf<T>* items,
                       ItemOf<T>* spare, int64_t room) {
  using Item = ItemOf<T>;
  KeyOf<T> worst_kept = ~KeyOf<T>(0);
  const T* limit = nullptr;  // the element of that key, once there is one
  int64_t count = 0;
  for (int64_t r = 0; r < n; ++r) {
    if constexpr (std::floating_point<T>)
      if (limit && step == 1) {
        while (r + lanes<T> <= n && none_before(x + r, *limit, descending)) r += lanes<T>;
        if (r == n) break;
      }
    KeyOf<T> key = sort_key(x[r * step], descending);
    // Before the first selection everything enters; afterwards an equal key comes too late to be better.
    if (key > worst_kept) continue;
    items[count++] = Item::of(key, uint32_t(r));
    if (count < room) continue;
    select_smallest(items, spare, count, k);
    count = k;
    Item worst = items[0];
    for (int64_t i = 1; i < k; ++i)
      if (worst < items[i]) worst = items[i];
    worst_kept = KeyOf<T>(worst.key());
    limit = x + worst.index() * step;
  }
  if (count > k) select_smallest(items, spare, count, k);
  merge_sort(items, spare, k);
}

template <class T>
void topk(const T* x, T* values, int64_t* indices, int64_t k, Lines lines, bool largest) {
  using Item = ItemOf<T>;
  if (k == 0) return;
  const int64_t n = lines.n, step = lines.inner, wanted = 4 * k + 64, room = wanted < n ? wanted : n;
  for_lines<Item>(lines, k, room, [&](Item* items, Item* spare, int64_t from, int64_t to) {
    best_items(x + from, n, step, k, largest, items, spare, room);
    write_items(items, k, x + from, values ? values + to : nullptr, indices ? indices + to : nullptr, step);
  });
}

template <class T>
void kthvalue(const T* x, T* values, int64_t* indices, int64_t k, Lines lines) {
  using Item = ItemOf<T>;
  const int64_t n = lines.n, step = lines.inner;
  for_lines<Item>(lines, 1, n, [&](Item* items, Item* spare, int64_t from, int64_t to) {
    for (int64_t r = 0; r < n; ++r) items[r] = Item::of(sort_key(x[from + r * step], false), uint32_t(r));
    select_smallest(items, spare, n, k);
    Item last = items[0];
    for (int64_t i = 1; i < k; ++i)
      if (last < items[i]) last = items[i];
    write_items(&last, 1, x + from, values ? values + to : nullptr, indices ? indices + to : nullptr, step);
  });
}

template <class T>
void fill_for(SortFunctions<T>& k) {
  k.sort = sort<T>;
  k.topk = topk<T>;
  k.kthvalue = kthvalue<T>;
}

}  // namespace

void fill(SortKernels& k) {
  fill_for(k.float32);
  fill_for(k.float64);
  fill_for(k.int64);
  fill_for(k.uint8);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
