// UntypedStorage: the bytes behind tensors, with Python's buffer protocol.

#include "bindings/storage.h"

#include <nanobind/nanobind.h>

#include <cstring>

#include "bindings/module.h"
#include "bindings/types.h"

namespace nb = nanobind;

namespace ondol::python {
namespace {

struct StorageObject {
  Ref<Storage> storage;
};

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  Storage& storage = *nb::inst_ptr<StorageObject>(self)->storage;
  storage.pin();
  return PyBuffer_FillInfo(view, self, storage.data(), static_cast<Py_ssize_t>(storage.bytes()), !storage.writable(),
                           flags);
}

PyType_Slot slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)}, {0, nullptr}};

Ref<Storage> from_buffer(nb::handle buffer) {
  Py_buffer view;
  if (PyObject_GetBuffer(buffer.ptr(), &view, PyBUF_SIMPLE) < 0) throw nb::python_error();
  Ref<Storage> storage;
  try {
    storage = Storage::allocate(static_cast<size_t>(view.len));
  } catch (...) {
    PyBuffer_Release(&view);
    throw;
  }
  std::memcpy(storage->data(), view.buf, view.len);
  PyBuffer_Release(&view);
  return storage;
}

/// The storage looks into the buffer itself and keeps it alive.
Ref<Storage> borrow_buffer(nb::handle buffer) {
  auto* view = new Py_buffer;
  if (PyObject_GetBuffer(buffer.ptr(), view, PyBUF_SIMPLE) < 0) {
    delete view;
    throw nb::python_error();
  }
  return Storage::borrow(
      view->buf, static_cast<size_t>(view->len),
      [view] {
        PyBuffer_Release(view);
        delete view;
      },
      !view->readonly);
}

}  // namespace

Object wrap_storage(const Ref<Storage>& storage) {
  return Object::steal(nb::cast(StorageObject{storage}).release().ptr());
}

void add_storage(PyObject* module) {
  auto m = nb::borrow<nb::module_>(module);
  nb::class_<StorageObject>(m, "UntypedStorage", nb::type_slots(slots))
      .def(
          "__init__",
          [](StorageObject* self, int64_t bytes) {
            if (bytes < 0) runtime_error("UntypedStorage(): size must not be negative, got ", bytes);
            new (self) StorageObject{Storage::allocate(static_cast<size_t>(bytes))};
            std::memset(self->storage->data(), 0, static_cast<size_t>(bytes));
          },
          nb::arg("size") = 0)
      .def("nbytes", [](const StorageObject& s) { return s.storage->bytes(); })
      .def("size", [](const StorageObject& s) { return s.storage->bytes(); })
      .def("__len__", [](const StorageObject& s) { return s.storage->bytes(); })
      .def("data_ptr", [](const StorageObject& s) { return reinterpret_cast<uintptr_t>(s.storage->data()); })
      .def("resizable", [](const StorageObject& s) { return s.storage->resizable(); })
      .def("element_size", [](const StorageObject&) { return 1; })
      .def_prop_ro("device", [](const StorageObject&) { return nb::steal(cpu_device().release()); })
      .def(
          "_key", [](const StorageObject& s) { return reinterpret_cast<uintptr_t>(s.storage.get()); },
          "A number that two objects share while they show the same storage.");
  m.def(
      "storage_from_buffer", [](nb::handle buffer) { return StorageObject{from_buffer(buffer)}; },
      "A storage with a copy of the bytes of a buffer.");
  m.def(
      "storage_over_buffer", [](nb::handle buffer) { return StorageObject{borrow_buffer(buffer)}; },
      "A storage that looks into a buffer without copying.");
  m.def(
      "tensor_from_storage",
      [](const StorageObject& storage, nb::handle dtype, int64_t offset, nb::handle sizes, nb::handle strides) {
        return nb::steal(wrap(view_of_storage(storage.storage, to_dims(sizes.ptr(), "size"),
                                              to_dims(strides.ptr(), "stride"), offset, to_dtype(dtype.ptr()))));
      },
      nb::arg("storage"), nb::arg("dtype"), nb::arg("storage_offset"), nb::arg("size"), nb::arg("stride"),
      "A tensor over a window of a storage; raises RuntimeError if the window does not lie in it.");
}

}  // namespace ondol::python
