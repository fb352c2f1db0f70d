#pragma once

#include "ops/gather.h"

namespace ondol {

/// What a C++ function for the combination of two elements gives, as (a, b) -> element.
template <class T, class F>
void visit_combination(Combine combine, F&& f) {
  using A = decltype(widened(T()));
  constexpr bool ordered = !std::is_same_v<A, c64> && !std::is_same_v<A, c128>;
  switch (combine) {
    case Combine::Product:
      if constexpr (std::is_same_v<T, bool>)
        return f([](A a, A b) { return a && b; });
      else
        return f([](A a, A b) { return static_cast<A>(a * b); });
    case Combine::Largest:
      if constexpr (ordered) f([](A a, A b) { return a != a || a > b ? a : b; });
      return;
    case Combine::Smallest:
      if constexpr (ordered) f([](A a, A b) { return a != a || a < b ? a : b; });
      return;
    default:
      if constexpr (std::is_same_v<T, bool>)
        return f([](A a, A b) { return a || b; });
      else
        return f([](A a, A b) { return static_cast<A>(a + b); });
  }
}

/// Checks index and source against the target (without history) and changes it in place. A 0-d source lies under every
/// index.
void scatter_into(const Tensor& target, int64_t dim, const Tensor& index, const Tensor& source, Combine combine);
/// The gradient of the part of a source that lies under the index, as that of the whole source: zero elsewhere.
Tensor padded_gradient(const Tensor& gradient, const Dims& sizes);
/// target[index] = combined with source, element by element; all checks done, memory apart.
void scatter_elements(const Tensor& target, const IndexLines& lines, const Tensor& source, Combine combine);

}  // namespace ondol
