// Schemas as Python writes them, for help(), editors and inspect.signature.

#include "bindings/operator_signature.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace ondol::python {
namespace {

std::string element_type(const Parameter& parameter) {
  switch (parameter.kind) {
    case Kind::Tensor:
      return "Tensor";
    case Kind::Operand:
      return "Tensor | Number";
    case Kind::Tensors:
      return parameter.optional_items ? "Sequence[Tensor | None]" : "Sequence[Tensor]";
    case Kind::Scalar:
      return "Number";
    case Kind::Int:
      return "int";
    case Kind::Ints:
      return parameter.length ? "int | Sequence[int]" : "Sequence[int]";
    case Kind::Float:
      return "float";
    case Kind::Floats:
      return "Sequence[float]";
    case Kind::Bool:
      return "bool";
    case Kind::String:
      return "str";
    case Kind::Dtype:
      return "dtype";
    case Kind::Generator:
      return "Generator";
    case Kind::MemoryFormat:
      return "memory_format";
    case Kind::Layout:
      return "layout";
    case Kind::Device:
      return "device | str";
  }
  return "object";
}

/// PyTorch's functions call self `input`. A word of Python's grammar (`from`) cannot be written as a keyword.
std::string python_name(const Schema& schema, const Parameter& parameter) {
  static const std::set<std::string_view> reserved = {"from", "in", "is", "lambda", "not", "or", "and", "if", "else"};
  if (parameter.name == "self" && &parameter == schema.parameters.data()) return "input";
  return reserved.contains(parameter.name) ? parameter.name + "_" : parameter.name;
}

std::string python_default(const Parameter& parameter) {
  const std::string& text = *parameter.default_text;
  if (text.starts_with('[')) {
    std::string inside = text.substr(1, text.size() - 2);
    bool single = !inside.empty() && inside.find(',') == inside.npos;
    return "(" + inside + (single ? ",)" : ")");
  }
  return text;
}

std::string_view result_text(const Schema& schema) {
  std::string_view text = schema.text;
  std::string_view result = text.substr(text.rfind("->") + 2);
  result.remove_prefix(std::min(result.find_first_not_of(' '), result.size()));
  return result;
}

bool gives_tensors(const Schema& schema) { return result_text(schema).find("Tensor") != std::string_view::npos; }

/// Functions of the top level write into tensors given as out=; operations on self and the parts of nn and optim have
/// no use for it.
bool takes_out(const Operation& operation, const Overload& overload, bool in_place) {
  return !in_place && operation.scope.empty() && (overload.variants & kFunction) && !(overload.variants & kMutating) &&
         gives_tensors(overload.schema);
}

std::string python_result(const Operation& operation, const Schema& schema, bool in_place) {
  std::string result(result_text(schema));
  if (in_place) return "Tensor";
  if (!schema.result_names.empty()) return "return_types." + operation.name;
  if (result.ends_with("[]")) return "tuple[" + result.substr(0, result.size() - 2) + ", ...]";
  if (result == "()") return "None";
  if (result.starts_with('(')) return "tuple[" + result.substr(1, result.size() - 2) + "]";
  if (result == "Scalar") return "Number";
  if (result == "ScalarType") return "dtype";
  return result;
}

std::string python_form(const Operation& operation, const Overload& overload, bool in_place) {
  const Schema& schema = overload.schema;
  std::string list;
  bool keyword_only = false;
  auto append = [&](const std::string& text, bool by_keyword) {
    if (!list.empty()) list += ", ";
    if (by_keyword && !keyword_only) list += "*, ";
    keyword_only = keyword_only || by_keyword;
    list += text;
  };
  for (const Parameter& parameter : schema.parameters) {
    std::string text = python_name(schema, parameter) + ": " + element_type(parameter);
    if (parameter.optional) text += " | None";
    if (parameter.default_text) text += " = " + python_default(parameter);
    append(text, parameter.keyword_only);
  }
  if (takes_out(operation, overload, in_place)) {
    bool several = !result_text(schema).starts_with("Tensor") || result_text(schema) == "Tensor[]";
    append(several ? "out: Sequence[Tensor] | None = None" : "out: Tensor | None = None", true);
  }
  return operation.name + (in_place ? "_" : "") + "(" + list + ") -> " + python_result(operation, schema, in_place);
}

bool has_parameter(const Schema& schema, const std::string& name) {
  return std::any_of(schema.parameters.begin(), schema.parameters.end(),
                     [&](const Parameter& parameter) { return parameter.name == name; });
}

bool belongs(const Overload& overload, bool in_place) {
  return !in_place || (overload.variants & (kInPlace | kInPlaceByCopy));
}

}  // namespace

std::string text_signature(const Operation& operation, bool in_place) {
  const Overload* longest = nullptr;
  for (const Overload& overload : operation.overloads)
    if (belongs(overload, in_place) &&
        (!longest || overload.schema.parameters.size() > longest->schema.parameters.size()))
      longest = &overload;

  std::string list;
  bool keyword_only = false, may_be_left_out = false;
  for (const Parameter& parameter : longest->schema.parameters) {
    if (!list.empty()) list += ", ";
    if (parameter.keyword_only && !keyword_only) list += "*, ";
    keyword_only = parameter.keyword_only;
    may_be_left_out =
        may_be_left_out && !keyword_only;  // after one default, Python wants one for each positional parameter
    for (const Overload& overload : operation.overloads)
      may_be_left_out =
          may_be_left_out || (belongs(overload, in_place) && !has_parameter(overload.schema, parameter.name));
    list += python_name(longest->schema, parameter);
    if (parameter.default_text) {
      // inspect.signature reads constants only, not contiguous_format.
      bool constant = parameter.kind != Kind::MemoryFormat || *parameter.default_text == "None";
      list += "=" + (constant ? python_default(parameter) : "...");
      may_be_left_out = may_be_left_out || !keyword_only;
    } else if (may_be_left_out) {
      list += "=None";
    }
  }
  if (takes_out(operation, *longest, in_place))
    list += keyword_only ? ", out=None" : list.empty() ? "*, out=None" : ", *, out=None";
  return "(" + list + ")";
}

std::string documentation(const Operation& operation, bool in_place) {
  std::string text;
  for (const Overload& overload : operation.overloads)
    if (belongs(overload, in_place)) text += python_form(operation, overload, in_place) + "\n";
  if (in_place)
    text += "\nChanges its first argument, as " + operation.name + "() computes it, and returns it.\n";
  else if (operation.variants & (kInPlace | kInPlaceByCopy))
    text += "\nIn place: Tensor." + operation.name + "_().\n";
  return text;
}

}  // namespace ondol::python
