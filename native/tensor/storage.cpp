#include "tensor/storage.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/memory.h"
#include "base/recycler.h"

namespace ondol {

Ref<Storage> Storage::allocate(size_t bytes) {
  Ref<Storage> storage(new (Recycler<sizeof(Storage)>::take()) Storage);
  storage->data_ = ondol::allocate(bytes);
  storage->bytes_ = bytes;
  return storage;
}

Ref<Storage> Storage::borrow(void* data, size_t bytes, std::function<void()> release, bool writable) {
  Ref<Storage> storage(new (Recycler<sizeof(Storage)>::take()) Storage);
  storage->data_ = data;
  storage->bytes_ = bytes;
  storage->writable_ = writable;
  storage->release_ = std::move(release);
  return storage;
}

void Storage::resize(size_t bytes) {
  if (!resizable()) runtime_error("Trying to resize storage that is not resizable");
  void* larger = ondol::allocate(bytes);
  std::memcpy(larger, data_, std::min(bytes, bytes_));
  ondol::release(data_, bytes_);
  data_ = larger;
  bytes_ = bytes;
}

Storage::~Storage() {
  if (release_)
    release_();
  else
    ondol::release(data_, bytes_);
}

void dispose(Storage* storage) {
  storage->~Storage();
  Recycler<sizeof(Storage)>::give(storage);
}

}  // namespace ondol
