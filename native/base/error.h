#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace ondol {

/// Which Python exception an error becomes. `Shape` is both a RuntimeError and a ValueError.
enum class ErrorKind {
  Runtime,
  Value,
  Type,
  Index,
  NotImplemented,
  Attribute,
  Overflow,
  Shape,
  OutOfMemory,
  Assertion
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
  const ErrorKind kind;
};

/// The parts as one text.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream stream;
  stream << std::boolalpha;
  (stream << ... << parts);
  return stream.str();
}

template <class... Parts>
[[noreturn]] void raise(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, text(parts...));
}
template <class... Parts>
[[noreturn]] void runtime_error(const Parts&... parts) {
  raise(ErrorKind::Runtime, parts...);
}
template <class... Parts>
[[noreturn]] void shape_error(const Parts&... parts) {
  raise(ErrorKind::Shape, parts...);
}
template <class... Parts>
[[noreturn]] void value_error(const Parts&... parts) {
  raise(ErrorKind::Value, parts...);
}
template <class... Parts>
[[noreturn]] void type_error(const Parts&... parts) {
  raise(ErrorKind::Type, parts...);
}
template <class... Parts>
[[noreturn]] void index_error(const Parts&... parts) {
  raise(ErrorKind::Index, parts...);
}
template <class... Parts>
[[noreturn]] void not_implemented(const Parts&... parts) {
  raise(ErrorKind::NotImplemented, parts...);
}

}  // namespace ondol
