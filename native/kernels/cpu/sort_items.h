#pragma once

// An element as an unsigned key whose order is the wanted one, together with its position. Comparing both makes all
// items different, so that any sort of items is stable.

#include <concepts>
#include <type_traits>

#include "kernels/cpu/level.h"

namespace ondol::kernel::ONDOL_LEVEL {

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 1, uint8_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>;

/// Ascending keys: -0 as 0, every NaN the same and above infinity.
template <class T>
inline KeyOf<T> ascending_key(T x) {
  using K = KeyOf<T>;
  if constexpr (std::same_as<T, uint8_t>) {
    return x;
  } else if constexpr (std::integral<T>) {
    return K(x) ^ (K(1) << 63);
  } else {
    if (x != x) return ~K(0);
    x = x + T(0);  // -0 becomes 0
    K bits;
    __builtin_memcpy(&bits, &x, sizeof x);
    constexpr K sign = K(1) << (8 * sizeof(K) - 1);
    return bits & sign ? ~bits : bits | sign;
  }
}
template <class T>
inline KeyOf<T> sort_key(T x, bool descending) {
  KeyOf<T> key = ascending_key(x);
  return descending ? KeyOf<T>(~key) : key;
}

/// Key and position in one number, for keys up to 32 bits.
struct ShortItem {
  uint64_t both;

  static ShortItem of(uint64_t key, uint32_t index) { return {key << 32 | index}; }
  uint32_t index() const { return uint32_t(both); }
  uint64_t key() const { return both >> 32; }
  bool operator<(ShortItem other) const { return both < other.both; }
};
struct LongItem {
  uint64_t full_key;
  uint64_t position;

  static LongItem of(uint64_t key, uint32_t index) { return {key, index}; }
  uint32_t index() const { return uint32_t(position); }
  uint64_t key() const { return full_key; }
  bool operator<(LongItem other) const {
    return full_key < other.full_key || (full_key == other.full_key && position < other.position);
  }
};
template <class T>
using ItemOf = std::conditional_t<sizeof(T) == 8, LongItem, ShortItem>;

template <class Item>
inline void insertion_sort(Item* items, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    Item item = items[i];
    int64_t j = i;
    for (; j > 0 && item < items[j - 1]; --j) items[j] = items[j - 1];
    items[j] = item;
  }
}

/// Merges runs of 16 upwards; `spare` holds n items. The result is in `items`.
template <class Item>
inline void merge_sort(Item* items, Item* spare, int64_t n) {
  constexpr int64_t run = 16;
  for (int64_t i = 0; i < n; i += run) insertion_sort(items + i, n - i < run ? n - i : run);
  Item *from = items, *to = spare;
  for (int64_t width = run; width < n; width *= 2) {
    for (int64_t i = 0; i < n; i += 2 * width) {
      int64_t middle = i + width < n ? i + width : n, end = i + 2 * width < n ? i + 2 * width : n;
      int64_t a = i, b = middle, k = i;
      while (a < middle && b < end) {
        bool second = from[b] < from[a];
        to[k++] = from[second ? b : a];
        a += !second;
        b += second;
      }
      while (a < middle) to[k++] = from[a++];
      while (b < end) to[k++] = from[b++];
    }
    Item* sorted = to;
    to = from;
    from = sorted;
  }
  if (from != items) __builtin_memcpy(items, from, n * sizeof(Item));
}

/// Least significant digit first; passes over a digit that is the same everywhere are left out. The
/// items must stand in the order of their positions. Returns where the result is: `items` or `spare`.
template <int digit_bits, class Item>
inline Item* radix_sort(Item* items, Item* spare, int64_t n, int key_bits) {
  constexpr int buckets = 1 << digit_bits;
  for (int shift = 0; shift < key_bits; shift += digit_bits) {
    uint32_t starts[buckets] = {};
    for (int64_t i = 0; i < n; ++i) ++starts[items[i].key() >> shift & (buckets - 1)];
    if (starts[items[0].key() >> shift & (buckets - 1)] == n) continue;
    uint32_t sum = 0;
    for (auto& start : starts) {
      uint32_t count = start;
      start = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; ++i) spare[starts[items[i].key() >> shift & (buckets - 1)]++] = items[i];
    Item* sorted = spare;
    spare = items;
    items = sorted;
  }
  return items;
}

template <class Item>
inline Item median_of(Item a, Item b, Item c) {
  const Item low = b < a ? b : a, high = b < a ? a : b;
  return c < low ? low : c < high ? c : high;
}

/// Moves the items below the pivot to the front and returns how many they are (Lomuto). Without a branch that depends
/// on an item: half of those would be mispredicted.
template <class Item>
inline int64_t partition(Item* items, int64_t n, Item pivot) {
  int64_t below = 0;
  for (int64_t i = 0; i < n; ++i) {
    const Item item = items[i];
    items[i] = items[below];
    items[below] = item;
    below += item < pivot;
  }
  return below;
}

/// Moves the k smallest of n items to the front, in no order (Hoare's selection with the median of three; when that
/// keeps choosing badly, a full sort bounds the time).
template <class Item>
inline void select_smallest(Item* items, Item* spare, int64_t n, int64_t k) {
  int64_t low = 0, high = n;
  for (int turns = 0; high - low > 32; ++turns) {
    if (turns > 64) return merge_sort(items + low, spare, high - low);
    const Item pivot = median_of(items[low], items[low + (high - low) / 2], items[high - 1]);
    const int64_t below = low + partition(items + low, high - low, pivot);
    if (k <= below)
      high = below;
    else  // never empty, nor all of it: one of the three stood below the pivot
      low = below;
  }
  insertion_sort(items + low, high - low);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
