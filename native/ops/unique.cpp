// Distinct elements and slices: unique, unique_consecutive.

#include <algorithm>
#include <numeric>

#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/order.h"
#include "ops/registry.h"

namespace ondol {
namespace {

/// Positions of the first element of each class, for every element its class, and the size of each class.
struct Classes {
  Tensor firsts, inverse, counts;
};

/// Walks `n` items in the given order; an item that differs from the one before it opens a class.
template <class Same>
Classes classify(int64_t n, const int64_t* order, Same same) {
  std::vector<int64_t> firsts, counts;
  Classes classes{{}, empty({n}, Dtype::I64), {}};
  auto* inverse = classes.inverse.data<int64_t>();
  for (int64_t i = 0; i < n; ++i) {
    if (i == 0 || !same(order[i - 1], order[i])) {
      firsts.push_back(order[i]);
      counts.push_back(0);
    }
    ++counts.back();
    inverse[order[i]] = static_cast<int64_t>(firsts.size()) - 1;
  }
  auto as_tensor = [](const std::vector<int64_t>& values) {
    Tensor result = empty({static_cast<int64_t>(values.size())}, Dtype::I64);
    std::copy(values.begin(), values.end(), result.data<int64_t>());
    return result;
  };
  classes.firsts = as_tensor(firsts);
  classes.counts = as_tensor(counts);
  return classes;
}

/// The slices along dim as rows of a matrix.
Tensor as_rows(const Tensor& self, int64_t dim) {
  Dims order{dim};  // the others keep theirs, which decides the order of the rows
  for (int64_t other = 0; other < self.ndim(); ++other)
    if (other != dim) order.push_back(other);
  Tensor front = contiguous(permute(self, order));
  int64_t n = front.sizes()[0];
  return reshape(front, {n, n ? front.numel() / n : 0});
}

template <class T>
bool same_row(const T* x, int64_t a, int64_t b, int64_t length) {
  for (int64_t i = 0; i < length; ++i)
    if (widened(x[a * length + i]) != widened(x[b * length + i])) return false;
  return true;
}

/// Rows put into classes: in lexicographic order, or, if `consecutive`, as they stand.
Classes classify_rows(const Tensor& rows, bool consecutive) {
  int64_t n = rows.sizes()[0], length = rows.sizes()[1];
  Tensor order = arange(n);
  auto* at = order.data<int64_t>();
  Classes classes;
  visit_dtype(rows.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, c64> && !std::is_same_v<T, c128>) {
      const T* x = rows.data<T>();
      auto before = [=](int64_t a, int64_t b) {
        for (int64_t i = 0; i < length; ++i) {
          auto left = widened(x[a * length + i]), right = widened(x[b * length + i]);
          if (left < right) return true;
          // A NaN comes last, so that the order is one.
          if (left == left && right != right) return true;
          if (right < left || (left != left && right == right)) return false;
        }
        return false;
      };
      if (!consecutive) std::stable_sort(at, at + n, before);
      classes = classify(n, at, [=](int64_t a, int64_t b) { return same_row(x, a, b, length); });
    }
  });
  return classes;
}

/// Elements put into classes by a sort of the whole tensor.
Classes classify_elements(const Tensor& flat) {
  auto [values, order] = sort(flat, 0, false);
  Classes classes;
  visit_dtype(flat.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* x = flat.data<T>();
    classes = classify(flat.numel(), order.template data<int64_t>(),
                       [=](int64_t a, int64_t b) { return widened(x[a]) == widened(x[b]); });
  });
  return classes;
}

struct Distinct {
  Tensor values, inverse, counts;
};

Distinct distinct(const char* operation, const Tensor& self, std::optional<int64_t> dim, bool consecutive) {
  check_has_order(operation, self.dtype());
  Distinct result;
  {
    NoGrad silent;
    Tensor source = detach(self);
    if (dim && self.ndim() > 0) {
      int64_t along = wrap_dim(*dim, self.ndim());
      if (self.numel() == 0 && self.sizes()[along] != 0)
        runtime_error("There are 0 sized dimensions, and they aren't selected, so ", operation,
                      " cannot be applied to shape ", self.sizes());
      Classes classes = classify_rows(as_rows(source, along), consecutive);
      result = {index_select(source, along, classes.firsts), classes.inverse, classes.counts};
    } else {
      Tensor flat = contiguous(reshape(source, {-1}));
      Classes classes = consecutive ? classify_rows(unsqueeze(flat, 1), true) : classify_elements(flat);
      result = {index_select(flat, 0, classes.firsts), reshape(classes.inverse, self.sizes()), classes.counts};
    }
  }
  if (needs_gradient(self)) record_not_differentiable(operation, result.values, {self});
  return result;
}

Value as_asked(Distinct all, bool return_inverse, bool return_counts) {
  if (!return_inverse && !return_counts) return all.values;
  std::vector<Tensor> results{all.values};
  if (return_inverse) results.push_back(all.inverse);
  if (return_counts) results.push_back(all.counts);
  return results;
}
Value unique(const Tensor& self, bool, bool return_inverse, bool return_counts, std::optional<int64_t> dim) {
  return as_asked(distinct("unique", self, dim, false), return_inverse, return_counts);
}
Value unique_consecutive(const Tensor& self, bool return_inverse, bool return_counts, std::optional<int64_t> dim) {
  return as_asked(distinct("unique_consecutive", self, dim, true), return_inverse, return_counts);
}

/// Always three results; those that were not asked for are empty.
std::tuple<Tensor, Tensor, Tensor> always_three(Distinct all, bool return_inverse, bool return_counts) {
  Tensor nothing = empty({0}, Dtype::I64);
  return {all.values, return_inverse ? all.inverse : nothing, return_counts ? all.counts : nothing};
}
std::tuple<Tensor, Tensor, Tensor> unique2(const Tensor& self, bool, bool return_inverse, bool return_counts) {
  return always_three(distinct("unique", self, std::nullopt, false), return_inverse, return_counts);
}
std::tuple<Tensor, Tensor, Tensor> unique_dim(const Tensor& self, int64_t dim, bool, bool return_inverse,
                                              bool return_counts) {
  return always_three(distinct("unique", self, dim, false), return_inverse, return_counts);
}

}  // namespace

void register_unique(Registry& r) {
  r.add(
      "unique(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None) -> "
      "Tensor",
      unique);
  r.add("unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor",
        unique_consecutive);
  r.add(
      "_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, "
      "Tensor, Tensor)",
      unique2, kFunction);
  r.add(
      "unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> "
      "(Tensor, Tensor, Tensor)",
      unique_dim, kFunction);
}

}  // namespace ondol
