// From Python's arguments to an operation's: types are checked in place, positional arguments first.

#include "bindings/arguments.h"

#include "bindings/generator.h"
#include "bindings/types.h"

namespace ondol::python {
namespace {

const char* type_name(const Parameter& parameter) {
  switch (parameter.kind) {
    case Kind::Tensor:
      return "Tensor";
    case Kind::Operand:
      return "Tensor or Number";
    case Kind::Tensors:
      return "tuple of Tensors";
    case Kind::Scalar:
      return "Number";
    case Kind::Int:
      return "int";
    case Kind::Ints:
      return "tuple of ints";
    case Kind::Float:
      return "float";
    case Kind::Floats:
      return "tuple of floats";
    case Kind::Bool:
      return "bool";
    case Kind::String:
      return "str";
    case Kind::Dtype:
      return "torch.dtype";
    case Kind::Generator:
      return "torch.Generator";
    case Kind::MemoryFormat:
      return "torch.memory_format";
    case Kind::Layout:
      return "torch.layout";
    default:
      return "torch.device";
  }
}

/// An int, or what says it is one: __index__, a 0-d integer tensor. One that does not fit is a ValueError, among sizes
/// a TypeError, as in PyTorch.
bool read_int(PyObject* object, int64_t& value, ErrorKind if_too_large = ErrorKind::Value) {
  if (PyLong_CheckExact(object)) {
    int overflow;
    value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow) raise(if_too_large, "Overflow when unpacking long long: an int argument does not fit in 64 bits");
    return true;
  }
  if (PyBool_Check(object) || PyFloat_Check(object) || !PyIndex_Check(object)) return false;
  if (is_tensor(object)) {
    Tensor tensor = unwrap(object);
    if (!is_integral(tensor.dtype()) || tensor.numel() != 1) return false;
    value = item(tensor).to_int();
    return true;
  }
  Object integer = Object::steal(PyNumber_Index(object));
  if (!integer) {
    PyErr_Clear();
    return false;
  }
  return read_int(integer.get(), value, if_too_large);
}

bool read_ints(PyObject* object, int length, Dims& dims) {
  if (PyTuple_Check(object) || PyList_Check(object)) {
    Py_ssize_t count = PySequence_Fast_GET_SIZE(object);
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyObject* item = PySequence_Fast_GET_ITEM(object, i);
      int64_t value = item == Py_True;
      if (!PyBool_Check(item) && !read_int(item, value, ErrorKind::Type)) return false;
      dims.push_back(value);
    }
    return true;
  }
  int64_t value;
  if (length == 0 || !read_int(object, value)) return false;
  dims.resize(length, value);
  return true;
}

bool read_float(PyObject* object, double& value) {
  if (PyFloat_Check(object)) {
    value = PyFloat_AS_DOUBLE(object);
    return true;
  }
  if (is_tensor(object)) {
    Tensor tensor = unwrap(object);
    if (tensor.numel() != 1 || is_complex(tensor.dtype()) || tensor.requires_grad()) return false;
    value = item(tensor).to_double();
    return true;
  }
  if (PyBool_Check(object) || !is_number(object) || PyComplex_Check(object)) return false;
  value = to_scalar(object).to_double();
  return true;
}

bool read_tensors(PyObject* object, bool optional_items, std::vector<Tensor>& tensors) {
  if (!PyTuple_Check(object) && !PyList_Check(object)) return false;
  Py_ssize_t count = PySequence_Fast_GET_SIZE(object);
  tensors.reserve(count);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* element = PySequence_Fast_GET_ITEM(object, i);
    if (is_tensor(element))
      tensors.push_back(unwrap(element));
    else if (optional_items && element == Py_None)
      tensors.emplace_back();
    else
      return false;
  }
  return true;
}

bool read_floats(PyObject* object, std::vector<double>& values) {
  if (!PyTuple_Check(object) && !PyList_Check(object)) return false;
  Py_ssize_t count = PySequence_Fast_GET_SIZE(object);
  for (Py_ssize_t i = 0; i < count; ++i) {
    double value;
    if (!read_float(PySequence_Fast_GET_ITEM(object, i), value)) return false;
    values.push_back(value);
  }
  return true;
}

bool read(const Parameter& parameter, PyObject* object, Value& value) {
  if (object == Py_None) {
    value = std::monostate();
    return parameter.optional;
  }
  switch (parameter.kind) {
    case Kind::Tensor:
      if (!is_tensor(object)) return false;
      value.emplace<Tensor>(unwrap(object));
      return true;
    case Kind::Operand:
      if (is_tensor(object)) {
        value.emplace<Tensor>(unwrap(object));
        return true;
      }
      if (!is_number(object)) return false;
      value.emplace<Tensor>(wrapped_number(to_scalar(object)));
      return true;
    case Kind::Tensors:
      return read_tensors(object, parameter.optional_items, value.emplace<std::vector<Tensor>>());
    case Kind::Scalar:
      if (is_tensor(object)) {
        Tensor tensor = unwrap(object);
        if (tensor.ndim() != 0 || tensor.requires_grad()) return false;
        value = item(tensor);
        return true;
      }
      if (!is_number(object)) return false;
      value = to_scalar(object);
      return true;
    case Kind::Int: {
      int64_t integer;
      if (!read_int(object, integer)) return false;
      value = integer;
      return true;
    }
    case Kind::Ints:
      return read_ints(object, parameter.length, value.emplace<Dims>());
    case Kind::Float: {
      double real;
      if (!read_float(object, real)) return false;
      value = real;
      return true;
    }
    case Kind::Floats:
      return read_floats(object, value.emplace<std::vector<double>>());
    case Kind::Bool:
      if (!PyBool_Check(object)) {
        if (!is_number(object) || PyFloat_Check(object) || PyComplex_Check(object)) return false;
        value = to_scalar(object).to_bool();  // numpy.bool, 0 and 1
        return true;
      }
      value = object == Py_True;
      return true;
    case Kind::String: {
      if (!PyUnicode_Check(object)) return false;
      Py_ssize_t size;
      const char* characters = PyUnicode_AsUTF8AndSize(object, &size);
      if (!characters) throw PythonError();
      value = std::string_view(characters, size);
      return true;
    }
    case Kind::Dtype:
      if (!is_dtype(object)) return false;
      value = to_dtype(object);
      return true;
    case Kind::Generator: {
      Generator* generator = to_generator(object);
      if (!generator) return false;
      value = generator;
      return true;
    }
    case Kind::MemoryFormat:
      if (!is_memory_format(object)) return false;
      value = to_memory_format(object);
      return true;
    case Kind::Layout:
      if (!is_layout(object)) return false;
      if (object != strided_layout().get())
        not_implemented("ondol has only strided tensors; convert the data to a dense layout");
      return true;
    case Kind::Device:
      if (!is_device(object)) return false;
      check_device(to_device(object));
      return true;
  }
  return false;
}

Value parse_default(const Parameter& parameter, const std::string& text) {
  if (text == "None") return std::monostate();
  auto number = [&]() -> Scalar {
    if (text.find_first_of(".en") != std::string::npos && text != "None") return Scalar(std::stod(text));
    return Scalar(static_cast<int64_t>(std::stoll(text)));
  };
  switch (parameter.kind) {
    case Kind::Bool:
      return text == "True";
    case Kind::Int:
      return static_cast<int64_t>(std::stoll(text));
    case Kind::Float:
      return std::stod(text);
    case Kind::Scalar:
      return number();
    case Kind::Operand:
      return wrapped_number(number());
    case Kind::String:
      return std::string_view(text).substr(1, text.size() - 2);
    case Kind::MemoryFormat:
      return text == "contiguous_format" ? MemoryFormat::Contiguous : MemoryFormat::Preserve;
    case Kind::Ints: {
      Dims dims;
      if (text[0] != '[') {
        dims.resize(std::max(parameter.length, 1), std::stoll(text));
        return dims;
      }
      std::istringstream stream(text.substr(1));
      for (int64_t value; stream >> value; stream.ignore(1, ',')) dims.push_back(value);
      return dims;
    }
    default:
      runtime_error("no default ", text, " for parameter ", parameter.name);
  }
}

std::string quoted_type(PyObject* object) { return is_tensor(object) ? "Tensor" : Py_TYPE(object)->tp_name; }

/// The same with what a sequence holds: "tuple of (float, int)".
std::string quoted_contents(PyObject* object) {
  std::string description = quoted_type(object);
  if (!PyTuple_Check(object) && !PyList_Check(object)) return description;
  constexpr Py_ssize_t kShown = 6;
  Py_ssize_t size = PySequence_Fast_GET_SIZE(object);
  for (Py_ssize_t i = 0; i < std::min(size, kShown); ++i)
    description += (i ? ", " : " of (") + quoted_type(PySequence_Fast_GET_ITEM(object, i));
  return description + (size == 0 ? "" : size > kShown ? ", ...)" : ")");
}

}  // namespace

Signature::Signature(const Overload& source) : overload(&source) {
  const auto& parameters = source.schema.parameters;
  if (parameters.size() > kMaxParameters) runtime_error("too many parameters: ", source.schema.text);
  default_texts.reserve(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    names.push_back(checked(PyUnicode_InternFromString(parameter.name.c_str())));
    default_texts.push_back(parameter.default_text.value_or(""));
    defaults.push_back(parameter.default_text ? parse_default(parameter, default_texts.back()) : Value());
    required.push_back(!parameter.default_text);
    bool first = i == 0 || (i == 1 && parameters[0].name == "self");
    if (first && parameter.kind == Kind::Ints && parameter.length == 0 && !parameter.keyword_only)
      variadic = static_cast<int>(i);
  }
}

/// Operations that update running statistics take no out=: it could only be refused after they have changed.
static bool changes_statistics(const Schema& schema) {
  for (const Parameter& parameter : schema.parameters)
    if (parameter.name == "running_mean") return true;
  return false;
}

static bool all_ints(PyObject* const* values, Py_ssize_t count) {
  int64_t ignored;
  for (Py_ssize_t i = 0; i < count; ++i)
    if (!read_int(values[i], ignored)) return false;
  return true;
}

/// The parameter that a keyword names, or -1. In a function, `input` is the name of self.
static int find_parameter(const Signature& signature, PyObject* keyword) {
  int count = static_cast<int>(signature.names.size());
  for (int i = 0; i < count; ++i)
    if (signature.names[i].get() == keyword) return i;
  for (int i = 0; i < count; ++i)
    if (PyUnicode_Compare(signature.names[i].get(), keyword) == 0) return i;
  if (count && signature.overload->schema.parameters[0].name == "self" &&
      PyUnicode_CompareWithASCIIString(keyword, "input") == 0)
    return 0;
  // NumPy's names, which PyTorch takes too.
  constexpr std::pair<const char*, const char*> numpy_names[] = {{"axis", "dim"}, {"keepdims", "keepdim"}};
  for (auto [theirs, ours] : numpy_names)
    if (PyUnicode_CompareWithASCIIString(keyword, theirs) == 0)
      for (int i = 0; i < count; ++i)
        if (signature.overload->schema.parameters[i].name == ours) return i;
  return -1;
}

bool bind(const Signature& signature, const Arguments& arguments, Value* values, Common& common, std::string* why) {
  const Schema& schema = signature.overload->schema;
  int count = static_cast<int>(schema.parameters.size());
  PyObject* bound[kMaxParameters];
  std::fill_n(bound, count, nullptr);
  auto refuse = [&](const auto&... parts) {
    if (why) *why = text(schema.name, "()", parts...);
    return false;
  };

  Py_ssize_t positional = arguments.positional;
  auto refuse_argument = [&](int i) {
    const Parameter& parameter = schema.parameters[i];
    return refuse(": argument '", parameter.name == "self" ? "input" : parameter.name, "'",
                  i < positional ? text(" (position ", i + 1, ")") : "", " must be ", type_name(parameter), ", not ",
                  quoted_contents(bound[i]));
  };

  // Positional arguments. `x.view(2, 3)` is `x.view((2, 3))`.
  bool spread = signature.variadic >= 0 && positional > signature.variadic &&
                all_ints(arguments.values + signature.variadic, positional - signature.variadic);
  if (spread) positional = signature.variadic;
  if (positional > schema.positional)
    return refuse(" takes ", schema.positional, " positional arguments but ", positional, " were given");
  for (Py_ssize_t i = 0; i < positional; ++i) bound[i] = arguments.values[i];

  if (arguments.keywords) {
    Py_ssize_t keywords = PyTuple_GET_SIZE(arguments.keywords);
    for (Py_ssize_t i = 0; i < keywords; ++i) {
      PyObject* keyword = PyTuple_GET_ITEM(arguments.keywords, i);
      PyObject* value = arguments.values[arguments.positional + i];
      int index = find_parameter(signature, keyword);
      if (index < 0 && PyUnicode_CompareWithASCIIString(keyword, "out") == 0 && !changes_statistics(schema)) {
        common.out = value == Py_None ? nullptr : value;
      } else if (index < 0) {
        return refuse(" got an unexpected keyword argument '", PyUnicode_AsUTF8(keyword), "'");
      } else if (bound[index] || (spread && index == signature.variadic)) {
        return refuse(" got multiple values for argument '", PyUnicode_AsUTF8(keyword), "'");
      } else {
        bound[index] = value;
      }
    }
  }

  int slot = 0;  // FACTORY's layout, device, pin_memory and requires_grad are not passed on
  for (int i = 0; i < count; ++i) {
    const Parameter& parameter = schema.parameters[i];
    bool outside = schema.factory && i >= count - 4;
    if (outside) {
      if (!bound[i]) continue;
      Value checked_only;
      if (!read(parameter, bound[i], checked_only)) return refuse_argument(i);
      if (parameter.kind == Kind::Bool && bound[i] != Py_None && !PyBool_Check(bound[i]))
        return refuse(": argument '", parameter.name, "' must be bool, not ", quoted_type(bound[i]));
      if (parameter.name == "requires_grad") common.requires_grad = bound[i] == Py_True;
      continue;
    }
    Value& value = values[slot++];
    if (spread && i == signature.variadic) {
      Dims& dims = value.emplace<Dims>();
      for (Py_ssize_t k = i; k < arguments.positional; ++k) {
        int64_t item;
        read_int(arguments.values[k], item);
        dims.push_back(item);
      }
      continue;
    }
    if (!bound[i]) {
      if (signature.required[i]) return refuse(" missing 1 required argument: '", parameter.name, "'");
      if (signature.defaults[i].index() != 0) value = signature.defaults[i];
      continue;
    }
    if (!read(parameter, bound[i], value)) return refuse_argument(i);
  }
  return true;
}

std::string describe(const Arguments& arguments) {
  std::string description = "(";
  for (Py_ssize_t i = 0; i < arguments.positional; ++i)
    description += (i ? ", " : "") + quoted_type(arguments.values[i]);
  Py_ssize_t keywords = arguments.keywords ? PyTuple_GET_SIZE(arguments.keywords) : 0;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    if (description.size() > 1) description += ", ";
    description += text(PyUnicode_AsUTF8(PyTuple_GET_ITEM(arguments.keywords, i)), "=",
                        quoted_type(arguments.values[arguments.positional + i]));
  }
  return description + ")";
}

}  // namespace ondol::python
