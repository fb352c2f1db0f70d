#include "ops/schema.h"

#include <map>

#include "base/error.h"

namespace ondol {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Splits at commas that are not inside brackets or quotes.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  bool quoted = false;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    char c = i < text.size() ? text[i] : ',';
    if (c == '\'') quoted = !quoted;
    if (quoted) continue;
    if (c == '[' || c == '(') ++depth;
    if (c == ']' || c == ')') --depth;
    if (c == ',' && depth == 0) {
      if (auto part = trimmed(text.substr(start, i - start)); !part.empty()) parts.push_back(part);
      start = i + 1;
    }
  }
  return parts;
}

bool take_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

void read_type(Parameter& parameter, std::string_view type, std::string_view schema) {
  static const std::map<std::string_view, Kind> scalars = {{"Tensor", Kind::Tensor},
                                                           {"Tensor|Scalar", Kind::Operand},
                                                           {"Scalar", Kind::Scalar},
                                                           {"int", Kind::Int},
                                                           {"SymInt", Kind::Int},
                                                           {"float", Kind::Float},
                                                           {"bool", Kind::Bool},
                                                           {"str", Kind::String},
                                                           {"ScalarType", Kind::Dtype},
                                                           {"Generator", Kind::Generator},
                                                           {"MemoryFormat", Kind::MemoryFormat},
                                                           {"Layout", Kind::Layout},
                                                           {"Device", Kind::Device}};
  if (size_t mark = type.find("(a"); mark != type.npos) type = type.substr(0, mark);  // alias annotations
  parameter.optional = take_suffix(type, "?");
  if (size_t bracket = type.find('['); bracket != type.npos) {
    std::string_view inside = type.substr(bracket + 1, type.size() - bracket - 2);
    if (!inside.empty()) parameter.length = std::stoi(std::string(inside));
    type = type.substr(0, bracket);
    parameter.optional_items = take_suffix(type, "?");
    if (type == "Tensor")
      parameter.kind = Kind::Tensors;
    else if (type == "int" || type == "SymInt")
      parameter.kind = Kind::Ints;
    else if (type == "float")
      parameter.kind = Kind::Floats;
    else
      runtime_error("schema ", schema, ": no lists of ", type);
    return;
  }
  auto found = scalars.find(type);
  if (found == scalars.end()) runtime_error("schema ", schema, ": unknown type ", type);
  parameter.kind = found->second;
}

Parameter read_parameter(std::string_view text, std::string_view schema) {
  Parameter parameter;
  size_t equals = text.find('=');
  if (equals != text.npos) {
    parameter.default_text = std::string(trimmed(text.substr(equals + 1)));
    text = trimmed(text.substr(0, equals));
  }
  size_t space = text.rfind(' ');
  if (space == text.npos) runtime_error("schema ", schema, ": parameter without a type: ", text);
  parameter.name = std::string(text.substr(space + 1));
  read_type(parameter, trimmed(text.substr(0, space)), schema);
  return parameter;
}

}  // namespace

Schema parse_schema(std::string_view text) {
  Schema schema;
  schema.text = std::string(text);
  size_t open = text.find('('), arrow = text.rfind(") ->");
  if (open == text.npos || arrow == text.npos) runtime_error("not a schema: ", text);

  std::string_view name = text.substr(0, open);
  if (name.starts_with("nn.") || name.starts_with("optim.") || name.starts_with("linalg.")) {
    schema.scope = std::string(name.substr(0, name.find('.')));
    name.remove_prefix(schema.scope.size() + 1);
  }
  schema.name = std::string(name.substr(0, name.find('.')));

  bool keyword_only = false;
  for (std::string_view part : split(text.substr(open + 1, arrow - open - 1))) {
    if (part == "*") {
      keyword_only = true;
    } else if (part == "FACTORY") {
      schema.factory = true;
      for (const char* common : {"ScalarType? dtype=None", "Layout? layout=None", "Device? device=None",
                                 "bool? pin_memory=False", "bool? requires_grad=False"}) {
        schema.parameters.push_back(read_parameter(common, text));
        schema.parameters.back().keyword_only = true;
      }
    } else {
      schema.parameters.push_back(read_parameter(part, text));
      schema.parameters.back().keyword_only = keyword_only;
      if (!keyword_only) ++schema.positional;
    }
  }

  std::string_view result = trimmed(text.substr(arrow + 4));
  if (result.starts_with('('))
    for (std::string_view part : split(result.substr(1, result.size() - 2)))
      if (size_t space = part.rfind(' '); space != part.npos)
        schema.result_names.push_back(std::string(part.substr(space + 1)));
  return schema;
}

}  // namespace ondol
