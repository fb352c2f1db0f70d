#pragma once

#include <functional>

#include "base/reference.h"

namespace ondol {

/// A block of memory that tensors look into, and the count of in-place changes made through any of them.
class Storage : public Counted {
 public:
  /// Fresh memory from the allocator; its contents are unspecified.
  static Ref<Storage> allocate(size_t bytes);
  /// Memory that somebody else owns; `release` is called when the last tensor lets go of it.
  static Ref<Storage> borrow(void* data, size_t bytes, std::function<void()> release, bool writable = true);

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  bool writable() const { return writable_; }
  /// Whether it may grow: borrowed memory may not.
  bool resizable() const { return !release_ && !pinned_; }
  /// From now on it stays where it is: somebody outside holds its address.
  void pin() { pinned_ = true; }
  /// From now on it may be written without being counted: its address or an alias for Python's hands was given away.
  void expose() { exposed_ = true; }
  /// Whether only tensors know of it: it is nobody else's memory, and its address was not given away.
  bool is_private() const { return !release_ && !exposed_; }
  /// Whether its contents are still those that were computed into it.
  bool untouched() const { return version == 0 && !exposed_; }
  /// Keeps the contents up to the smaller size.
  void resize(size_t bytes);

  uint32_t version = 0;

 private:
  Storage() = default;
  ~Storage();
  friend void dispose(Storage* storage);

  void* data_ = nullptr;
  size_t bytes_ = 0;
  bool writable_ = true;
  bool pinned_ = false;
  bool exposed_ = false;
  std::function<void()> release_;
};

void dispose(Storage* storage);

}  // namespace ondol
