#pragma once

#include <memory>
#include <new>
#include <utility>

namespace ondol {

/// A list that only grows, of which the first few elements stand in the object itself.
template <class T, size_t kInline>
class SmallVector {
 public:
  SmallVector() = default;
  SmallVector(const SmallVector&) = delete;
  SmallVector& operator=(const SmallVector&) = delete;
  ~SmallVector() {
    std::destroy(begin(), end());
    if (on_heap()) ::operator delete(data_);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

  void reserve(size_t count) {
    if (count <= capacity_) return;
    auto* larger = static_cast<T*>(::operator new(count * sizeof(T)));
    std::uninitialized_move(begin(), end(), larger);
    std::destroy(begin(), end());
    if (on_heap()) ::operator delete(data_);
    data_ = larger;
    capacity_ = count;
  }
  void push_back(T value) {
    if (size_ == capacity_) reserve(2 * capacity_);
    new (data_ + size_) T(std::move(value));
    ++size_;
  }

 private:
  static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  bool on_heap() const { return data_ != reinterpret_cast<const T*>(inline_); }

  T* data_ = reinterpret_cast<T*>(inline_);
  size_t size_ = 0;
  size_t capacity_ = kInline;
  alignas(T) std::byte inline_[kInline * sizeof(T)];
};

}  // namespace ondol
