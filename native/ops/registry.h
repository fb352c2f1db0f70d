#pragma once

#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "autograd/node.h"
#include "base/random.h"
#include "ops/schema.h"
#include "tensor/pointwise.h"
#include "tensor/tensor.h"

namespace ondol {

/// One argument or result on its way between Python and an operation.
using Value = std::variant<std::monostate, bool, int64_t, double, Scalar, Dtype, MemoryFormat, std::string_view,
                           Generator*, Tensor, Dims, std::vector<Tensor>, std::vector<double>>;

/// How an operation may be called beside as a function.
enum Variant : unsigned {
  kFunction = 1,
  kMethod = 2,
  /// Has a form `name_` that changes self: made from the operation itself, which computes straight into self when
  /// nothing is recorded. Only for operations that end in one pointwise formula.
  kInPlace = 4,
  /// The same for all other operations: computes, then copies into self.
  kInPlaceByCopy = 8,
  /// Beside kInPlace: the derivative does not use self, so that the operation computes straight into self also while
  /// its history is recorded.
  kOverInput = 32,
  /// Writes its first argument itself (`copy_`, `fill_`): the name ends in an underscore.
  kMutating = 16,
};

struct Overload {
  Schema schema;
  unsigned variants;
  void* function;
  void (*call)(void* function, Value* arguments, Value& result);
};

/// All signatures under one name.
struct Operation {
  std::string scope;
  std::string name;
  std::vector<Overload> overloads;
  unsigned variants = 0;
  bool alias = false;  // another name of an operation
};

namespace detail {

template <class T>
struct Take {  // a plain value: int64_t, double, bool, Scalar, Dtype ...
  static const T& from(const Value& value) { return std::get<T>(value); }
};
template <class T>
struct Take<std::optional<T>> {
  static std::optional<T> from(const Value& value) {
    if (value.index() == 0) return std::nullopt;
    return Take<T>::from(value);
  }
};
template <>
struct Take<Tensor> {
  static const Tensor& from(const Value& value) {
    static const Tensor undefined;
    return value.index() == 0 ? undefined : std::get<Tensor>(value);
  }
};
template <>
struct Take<Generator*> {
  static Generator* from(const Value& value) { return value.index() == 0 ? nullptr : std::get<Generator*>(value); }
};
template <>
struct Take<std::string> {
  static std::string from(const Value& value) { return std::string(std::get<std::string_view>(value)); }
};

template <class T>
void give(Value& result, T&& value) {
  using Plain = std::remove_cvref_t<T>;
  if constexpr (std::is_same_v<Plain, int>)
    result = static_cast<int64_t>(value);
  else
    result = std::forward<T>(value);
}
template <class... T>
void give(Value& result, std::tuple<T...>&& values) {
  std::apply([&](auto&&... each) { result = std::vector<Tensor>{std::move(each)...}; }, std::move(values));
}

template <class R, class... A, size_t... I>
void call_with(R (*function)(A...), Value* arguments, Value& result, std::index_sequence<I...>) {
  if constexpr (std::is_void_v<R>)
    function(Take<std::remove_cvref_t<A>>::from(arguments[I])...);
  else
    give(result, function(Take<std::remove_cvref_t<A>>::from(arguments[I])...));
}

}  // namespace detail

/// The list of all operations, filled once by register_all.
class Registry {
 public:
  /// Registers a C++ function under a schema; its parameters must be the schema's (without those of FACTORY but dtype,
  /// which comes last as std::optional<Dtype>), in order. Types: Tensor (undefined for None), Scalar, int64_t, double,
  /// bool, Dims, Dtype, MemoryFormat, Generator*, std::string_view, std::vector<Tensor>, std::vector<double>, and
  /// std::optional of those for "?".
  template <class R, class... A>
  void add(std::string_view schema, R (*function)(A...), unsigned extra_variants = 0) {
    insert(schema, extra_variants, reinterpret_cast<void*>(function), sizeof...(A),
           [](void* f, Value* arguments, Value& result) {
             detail::call_with(reinterpret_cast<R (*)(A...)>(f), arguments, result, std::index_sequence_for<A...>{});
           });
  }
  /// Another name for all that is registered under the first.
  void alias(std::string_view name, std::string_view existing);

  const std::vector<Operation>& operations() const { return operations_; }
  static Registry& instance();

 private:
  void insert(std::string_view schema, unsigned extra_variants, void* function, size_t arity,
              void (*call)(void*, Value*, Value&));
  Operation* find(std::string_view scope, std::string_view name);

  std::vector<Operation> operations_;
};

/// Fills the registry, family by family.
void register_all(Registry& registry);

/// While it lives, the next pointwise result on this thread is written into `target` instead of fresh memory.
class ResultTarget {
 public:
  explicit ResultTarget(const Tensor& target) { pending_ = &target; }
  ~ResultTarget() { pending_ = nullptr; }
  ResultTarget(const ResultTarget&) = delete;
  static bool is_pending() { return pending_ != nullptr; }
  static Tensor take() { return pending_ ? *std::exchange(pending_, nullptr) : Tensor(); }

 private:
  ONDOL_THREAD_LOCAL const Tensor* pending_ = nullptr;
};

/// What a recorded in-place operation computes from in the place of the tensor it changes: the same values and history.
/// If the derivative saved it, it gets memory of its own before the change, so that `x.sin_()` knows its old input.
class Original {
 public:
  explicit Original(const Tensor& self);
  /// To be called between the computation and the change.
  void keep_apart();
  const Tensor tensor;
};

/// Gives `self` the history of `result`, which a recorded operation (see kOverInput) has computed into its memory.
void finish_over_input(Tensor& self, const Tensor& result);

/// Checks that `self` may be changed in place, puts `result` into it (unless it is there already), and gives it the
/// result's history.
void finish_in_place(Tensor& self, const Tensor& result, const char* operation);

}  // namespace ondol
