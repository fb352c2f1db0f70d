#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <ostream>
#include <span>

#include "base/error.h"

namespace ondol {

/// A short list of integers: sizes, strides, dimensions. Up to six stand in the object itself.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) { assign(values.begin(), values.size()); }
  explicit Dims(std::span<const int64_t> values) { assign(values.data(), values.size()); }
  Dims(size_t count, int64_t value) {
    resize(count);
    std::fill(begin(), end(), value);
  }
  template <class Iterator>
  Dims(Iterator first, Iterator last) {
    for (; first != last; ++first) push_back(*first);
  }
  Dims(const Dims& other) { copy(other); }
  Dims(Dims&& other) noexcept { steal(other); }
  Dims& operator=(const Dims& other) {
    if (this != &other) copy(other);
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept {
    if (this != &other) {
      free_heap();
      steal(other);
    }
    return *this;
  }
  ~Dims() { free_heap(); }

  size_t size() const { return size_; }
  int64_t ssize() const { return static_cast<int64_t>(size_); }
  bool empty() const { return size_ == 0; }
  int64_t* data() { return data_; }
  const int64_t* data() const { return data_; }
  int64_t* begin() { return data_; }
  int64_t* end() { return data_ + size_; }
  const int64_t* begin() const { return data_; }
  const int64_t* end() const { return data_ + size_; }
  int64_t& operator[](size_t i) { return data_[i]; }
  int64_t operator[](size_t i) const { return data_[i]; }
  int64_t& back() { return data_[size_ - 1]; }
  int64_t back() const { return data_[size_ - 1]; }

  void push_back(int64_t value) {
    reserve(size_ + 1);
    data_[size_++] = value;
  }
  void pop_back() { --size_; }
  void resize(size_t count, int64_t value = 0) {
    reserve(count);
    for (size_t i = size_; i < count; ++i) data_[i] = value;
    size_ = static_cast<uint32_t>(count);
  }
  void insert(size_t at, int64_t value) {
    push_back(value);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(size_t at) {
    std::copy(begin() + at + 1, end(), begin() + at);
    --size_;
  }

  friend bool operator==(const Dims& a, const Dims& b) {
    if (a.size_ != b.size_) return false;
    for (uint32_t i = 0; i < a.size_; ++i)
      if (a.data_[i] != b.data_[i]) return false;
    return true;
  }

 private:
  static constexpr uint32_t kInline = 6;
  static constexpr size_t kMost = size_t{1} << 30;

  void reserve(size_t count) {
    if (count <= capacity_) return;
    if (count > kMost) runtime_error("a list of ", count, " integers is too long for sizes or dimensions");
    auto capacity = static_cast<uint32_t>(std::max<size_t>(count, 2 * capacity_));
    auto* larger = new int64_t[capacity];
    std::copy(begin(), end(), larger);
    free_heap();
    data_ = larger;
    capacity_ = capacity;
  }
  void assign(const int64_t* values, size_t count) {
    size_ = 0;
    reserve(count);
    std::copy(values, values + count, data_);
    size_ = static_cast<uint32_t>(count);
  }
  void copy(const Dims& other) {
    if (other.data_ != other.inline_ || data_ != inline_) return assign(other.data(), other.size());
    size_ = other.size_;
    copy_inline(other);
  }
  /// All places, used or not: a copy of a fixed size is a few instructions.
  void copy_inline(const Dims& other) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
    std::memcpy(inline_, other.inline_, sizeof(inline_));
#pragma GCC diagnostic pop
  }
  void steal(Dims& other) {
    size_ = other.size_;
    if (other.data_ == other.inline_) {
      data_ = inline_;
      capacity_ = kInline;
      copy_inline(other);
    } else {
      data_ = other.data_;
      capacity_ = other.capacity_;
      other.data_ = other.inline_;
      other.capacity_ = kInline;
    }
    other.size_ = 0;
  }
  void free_heap() {
    if (data_ != inline_) delete[] data_;
    data_ = inline_;
    capacity_ = kInline;
  }

  int64_t* data_ = inline_;
  uint32_t size_ = 0;
  uint32_t capacity_ = kInline;
  int64_t inline_[kInline];
};

/// As Python prints a list: [2, 3].
std::ostream& operator<<(std::ostream& stream, const Dims& dims);

/// The product of the sizes; raises if it does not fit.
int64_t count_elements(const Dims& sizes);
/// Row-major strides.
Dims contiguous_strides(const Dims& sizes);
/// A dimension counted from the front; raises IndexError in PyTorch's words. A 0-d tensor takes -1 and 0.
int64_t wrap_dim(int64_t dim, int64_t ndim);
/// Each one wrapped; a dimension that comes twice is an error.
Dims wrap_dims(const Dims& dims, int64_t ndim);
/// The shape that both broadcast to.
Dims broadcast_shapes(const Dims& a, const Dims& b);

}  // namespace ondol
