#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ondol {

/// What a parameter of an operation takes. `Operand` is a tensor or a Python number (written `Tensor|Scalar`).
enum class Kind : uint8_t {
  Tensor,
  Operand,
  Tensors,
  Scalar,
  Int,
  Ints,
  Float,
  Floats,
  Bool,
  String,
  Dtype,
  Generator,
  MemoryFormat,
  Layout,
  Device
};

struct Parameter {
  std::string name;
  Kind kind = Kind::Tensor;
  bool optional = false;        // takes None ("Tensor?")
  bool optional_items = false;  // "Tensor?[]"
  int length = 0;               // "int[2]": a single number stands for so many
  bool keyword_only = false;
  std::optional<std::string> default_text;
};

/// A signature in PyTorch's schema language, `name.overload(Type name=default, *, ...) -> Type`. Beside PyTorch's types
/// it knows `Tensor|Scalar`, and the parameter `FACTORY`, which stands for dtype, layout, device, pin_memory and
/// requires_grad.
struct Schema {
  std::string text;
  std::string scope;  // "nn" of "nn.linear"
  std::string name;   // without scope and overload
  std::vector<Parameter> parameters;
  std::vector<std::string> result_names;  // of a named tuple, else empty
  bool factory = false;
  int positional = 0;  // how many parameters may be given by position
};

/// Raises RuntimeError on a text that it cannot read.
Schema parse_schema(std::string_view text);

}  // namespace ondol
