#include "ops/shape_hint.h"

#include "base/error.h"

namespace ondol {

std::string moved_hint(const Dims& sizes, int64_t axis, int64_t wanted) {
  for (int64_t i = 1; i < sizes.ssize(); ++i)
    if (i != axis && sizes[i] == wanted)
      return text("\n  dimension ", i, " of the input has ", wanted, ": if it is meant, movedim(", i, ", ", axis,
                  ") puts it in place");
  return "";
}

std::string flattened_hint(const Dims& sizes, int64_t wanted) {
  int64_t elements = sizes.empty() ? 0 : sizes.back();
  for (int64_t i = sizes.ssize() - 2; i > 0; --i) {
    if (__builtin_mul_overflow(elements, sizes[i], &elements)) break;
    if (elements != wanted) continue;
    Dims flat(sizes.begin(), sizes.begin() + i);
    flat.push_back(wanted);
    return text("\n  flatten(", i, ") makes the input ", flat, ", which fits");
  }
  return "";
}

}  // namespace ondol
