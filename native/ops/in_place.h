#pragma once

#include "autograd/node.h"
#include "ops/functions.h"
#include "ops/registry.h"

namespace ondol {

/// Raises, for a result that would lose its kind in the dtype of the tensor it is written to.
[[noreturn]] void refuse_cast(Dtype result, Dtype target);

/// Changes `self`: by `straight`, which works in its memory, when nothing is recorded; otherwise through the result of
/// `functional`, whose history self takes over: a functional form that saves self gets a clone of it, because self is
/// about to change. check_in_place has been called before.
template <class Functional, class Straight>
Tensor change_in_place(const Tensor& self, bool recorded, const char* operation, Functional functional,
                       Straight straight) {
  Tensor target = self;
  if (recorded) {
    finish_in_place(target, functional(), operation);
  } else {
    NoGrad silent;
    straight(detach(target));
    finish_in_place(target, target, operation);
  }
  return target;
}

/// A source that does not lie in the memory that is about to change.
inline Tensor apart_from(const Tensor& source, const Tensor& target) {
  return shares_memory(source, target) ? clone(detach(source)) : source;
}

}  // namespace ondol
