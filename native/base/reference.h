#pragma once

#include <cstdint>
#include <utility>

namespace ondol {

/// An object that counts its owners. The count is not atomic: references are made and dropped only by a thread that
/// holds Python's interpreter lock. Code that runs without it (a kernel, the body of a parallel_for) works on raw
/// pointers.
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  void retain() const { ++owners_; }
  bool drop() const { return --owners_ == 0; }
  int64_t owners() const { return owners_; }

 private:
  mutable int64_t owners_ = 0;
};

/// A counted pointer. When the last one goes, `dispose(T*)` (found by its argument) frees the object.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->retain();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class U>
    requires std::is_convertible_v<U*, T*>
  Ref(Ref<U> other) noexcept : object_(other.release()) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ && object_->drop()) dispose(object_);
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.object_ == b.object_; }

  /// Gives up ownership without dropping it.
  T* release() { return std::exchange(object_, nullptr); }
  /// Takes over a pointer that was released.
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }

 private:
  T* object_ = nullptr;
};

}  // namespace ondol
