#pragma once

// Every file in this folder is compiled once per instruction set, with ONDOL_LEVEL naming the set (v2, v3, v4,
// generic). What it defines must live in `namespace ondol::kernel::ONDOL_LEVEL` or be a lambda, and must not use inline
// functions of the standard library that touch memory: the linker keeps one copy of those, perhaps the one that needs
// AVX-512.

#include <cstddef>
#include <cstdint>

#if defined(__AVX512F__)
#define ONDOL_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define ONDOL_VECTOR_BYTES 32
#else
#define ONDOL_VECTOR_BYTES 16
#endif

namespace ondol::kernel::ONDOL_LEVEL {

/// The widest vector of T that the processor computes with in one instruction.
template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(ONDOL_VECTOR_BYTES)));
  typedef T unaligned __attribute__((vector_size(ONDOL_VECTOR_BYTES), aligned(alignof(T)), may_alias));
};
template <class T>
using Vec = typename VectorOf<T>::type;
template <class T>
inline constexpr int lanes = ONDOL_VECTOR_BYTES / sizeof(T);

template <class T>
inline Vec<T> load(const T* from) {
  return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(from);
}
template <class T>
inline void store(T* to, Vec<T> value) {
  *reinterpret_cast<typename VectorOf<T>::unaligned*>(to) = value;
}
template <class T>
inline Vec<T> broadcast(T value) {
  return value - Vec<T>{};
}

}  // namespace ondol::kernel::ONDOL_LEVEL
