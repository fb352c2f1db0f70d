// The conversions of autocast, and the copies of weights that are kept while it lasts.

#include "bindings/autocast.h"

#include <nanobind/nanobind.h>

#include <unordered_map>

#include "autograd/mode.h"
#include "bindings/module.h"
#include "ops/functions.h"

namespace nb = nanobind;

namespace ondol::python {
namespace {

/// A weight and its copies in lower precision: without and with a record of the conversion, so that what was made under
/// no_grad() does not stand in for what is to be differentiated.
struct KeptWeight {
  Tensor weight;  // keeps the address from being given to another tensor
  uint32_t version;
  Tensor copies[2];
};
using KeptWeights = std::unordered_map<TensorImpl*, KeptWeight>;

struct ThreadState {
  ONDOL_THREAD_LOCAL KeptWeights* weights = nullptr;  // owned
};

bool is_eligible(Dtype dtype) { return dtype == Dtype::F32 || dtype == Dtype::F16 || dtype == Dtype::BF16; }

/// Only leaves are kept: other tensors are seldom converted twice. The context's dtype may change inside of it.
bool is_kept(const Tensor& tensor, Dtype dtype) {
  return Autocast::keeps_weights && Autocast::nesting > 0 && dtype == Autocast::dtype && tensor.dtype() == Dtype::F32 &&
         tensor.requires_grad() && tensor.is_leaf() && !tensor.is_view();
}

Tensor converted(const Tensor& tensor, Dtype dtype) {
  if (!tensor.defined() || !is_eligible(tensor.dtype()) || tensor.dtype() == dtype) return tensor;
  if (!is_kept(tensor, dtype)) return to_dtype(tensor, dtype);
  if (!ThreadState::weights) ThreadState::weights = new KeptWeights;
  auto [place, fresh] = ThreadState::weights->try_emplace(tensor.impl());
  KeptWeight& kept = place->second;
  if (fresh || kept.version != tensor.version()) kept = {tensor, tensor.version(), {}};
  Tensor& copy = kept.copies[GradMode::enabled()];
  if (!copy.defined() || copy.dtype() != dtype) copy = to_dtype(tensor, dtype);
  return copy;
}

void forget_weights() { delete std::exchange(ThreadState::weights, nullptr); }

template <class Visitor>
void visit_tensors(Value* values, size_t count, Visitor&& visit) {
  for (size_t i = 0; i < count; ++i) {
    if (auto* tensor = std::get_if<Tensor>(&values[i])) {
      if (tensor->defined()) visit(*tensor);
    } else if (auto* tensors = std::get_if<std::vector<Tensor>>(&values[i])) {
      for (Tensor& each : *tensors)
        if (each.defined()) visit(each);
    }
  }
}

Dtype widest(Value* values, size_t count) {
  Dtype found = Autocast::dtype;
  visit_tensors(values, count, [&](const Tensor& tensor) {
    if (tensor.dtype() == Dtype::F32) found = Dtype::F32;
    if (found != Dtype::F32 && is_eligible(tensor.dtype()) && tensor.dtype() != Autocast::dtype)
      runtime_error("autocast to ", torch_name(Autocast::dtype), " got a tensor of dtype ", torch_name(tensor.dtype()),
                    ": an operation that converts to the widest dtype takes float32 and ", torch_name(Autocast::dtype));
  });
  return found;
}

/// Of the state, or of the input if there is none. float64 stands for itself: the conversion leaves it alone.
Dtype state_dtype(const Schema& schema, Value* values) {
  Dtype found = Autocast::dtype;
  for (size_t i = 0; i < schema.parameters.size(); ++i) {
    const std::string& name = schema.parameters[i].name;
    if (name != "input" && name != "data" && name != "hx") continue;
    visit_tensors(values + i, 1, [&](const Tensor& tensor) { found = tensor.dtype(); });
    if (name == "hx") break;
  }
  return is_eligible(found) ? found : Dtype::F32;
}

}  // namespace

void autocast_arguments(AutocastPolicy policy, const Schema& schema, Value* values) {
  size_t count = schema.parameters.size();
  Dtype dtype = Autocast::dtype;
  if (policy == AutocastPolicy::Float32) dtype = Dtype::F32;
  if (policy == AutocastPolicy::Widest) dtype = widest(values, count);
  if (policy == AutocastPolicy::State) dtype = state_dtype(schema, values);
  visit_tensors(values, count, [&](Tensor& tensor) { tensor = converted(tensor, dtype); });
}

void add_autocast(PyObject* module) {
  auto m = nb::borrow<nb::module_>(module).def_submodule("_autocast");
  m.def("enabled", [] { return Autocast::enabled; }, "Whether autocast is on for this thread.");
  m.def("set_enabled", [](bool on) { return std::exchange(Autocast::enabled, on); }, "Gives what was set before.");
  m.def("dtype", [] { return nb::steal(from_dtype(Autocast::dtype).release()); });
  m.def("set_dtype", [](nb::handle dtype) {
    if (!is_dtype(dtype.ptr())) type_error("dtype must be torch.dtype, not ", Py_TYPE(dtype.ptr())->tp_name);
    Autocast::dtype = to_dtype(dtype.ptr());
  });
  m.def("keeps_weights", [] { return Autocast::keeps_weights; });
  m.def("set_keeps_weights", [](bool on) { Autocast::keeps_weights = on; });
  m.def("forget_weights", forget_weights);
  m.def("kept_weights", [] { return ThreadState::weights ? ThreadState::weights->size() : 0; });
  m.def("enter", [] { return ++Autocast::nesting; });
  m.def("leave", [] { return --Autocast::nesting; });
}

}  // namespace ondol::python
