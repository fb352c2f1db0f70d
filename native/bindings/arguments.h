#pragma once

#include "bindings/python.h"
#include "ops/registry.h"

namespace ondol::python {

inline constexpr int kMaxParameters = 24;

/// A signature made ready for calls from Python: interned names, default values.
struct Signature {
  explicit Signature(const Overload& overload);

  const Overload* overload;
  std::vector<Object> names;    // of the parameters
  std::vector<Value> defaults;  // monostate where there is none
  std::vector<char> required;
  std::vector<std::string> default_texts;  // strings that the defaults point into
  int variadic = -1;                       // the parameter that takes `f(2, 3)` as f((2, 3))
};

/// The arguments of a call as Python passed them.
struct Arguments {
  PyObject* const* values;  // positional ones, then those of keywords
  Py_ssize_t positional;
  PyObject* keywords;  // a tuple of names or null
};

/// Room for the arguments of one call, as many as the signature has: made and dropped with each call, so no more than
/// needed.
class Values {
 public:
  explicit Values(const Signature& signature) : count_(signature.overload->schema.parameters.size()) {
    for (size_t i = 0; i < count_; ++i) new (data() + i) Value;
  }
  ~Values() {
    constexpr size_t kFirstThatOwns = 9;  // what comes before Tensor in Value needs no destruction
    static_assert(std::is_same_v<std::variant_alternative_t<kFirstThatOwns, Value>, Tensor>);
    for (size_t i = 0; i < count_; ++i)
      if (data()[i].index() >= kFirstThatOwns) data()[i].~Value();
  }
  Values(const Values&) = delete;
  Value* data() { return reinterpret_cast<Value*>(memory_); }

 private:
  size_t count_;
  alignas(Value) std::byte memory_[kMaxParameters * sizeof(Value)];
};

/// What common keywords ask of the result rather than of the operation.
struct Common {
  PyObject* out = nullptr;
  bool requires_grad = false;
};

/// Converts the arguments to what the signature wants. False if they do not fit; then `why` (if not null) is set to
/// PyTorch's sentence.
bool bind(const Signature& signature, const Arguments& arguments, Value* values, Common& common, std::string* why);

/// "(Tensor, int, dim=int)": what was passed, for messages.
std::string describe(const Arguments& arguments);

}  // namespace ondol::python
