// torch.autograd.Function: operations whose forward and derivative are written in Python. The Python side is
// ondol/autograd/function.py.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <algorithm>

#include "autograd/node.h"
#include "bindings/autograd.h"
#include "ops/functions.h"
#include "ops/registry.h"

namespace nb = nanobind;

namespace ondol::python {
namespace {

/// The `ctx` of forward and backward.
struct Context {
  std::vector<Saved> saved;
  Node* node = nullptr;  // that it belongs to, while that lives
  bool released = false;
  bool materialize = true;
  nb::object to_save, dirty, non_differentiable;
  nb::object needs_input_grad;
};

class PythonNode final : public Node {
 public:
  PythonNode(std::string name, nb::object context, nb::object backward, std::vector<int> argument_of_edge,
             size_t arguments)
      : name_(std::move(name)),
        context_(std::move(context)),
        backward_(std::move(backward)),
        argument_of_edge_(std::move(argument_of_edge)),
        arguments_(arguments) {
    nb::inst_ptr<Context>(context_)->node = this;
  }
  ~PythonNode() override { nb::inst_ptr<Context>(context_)->node = nullptr; }

  std::string name() const override { return name_; }
  bool materializes() const override { return true; }

  void apply(std::span<const Tensor> incoming, Gradients& outgoing) override {
    auto& context = *nb::inst_ptr<Context>(context_);
    if (context.released) raise_second_backward();
    nb::list gradients;
    for (size_t i = 0; i < outputs.size(); ++i) {
      Tensor gradient = incoming[i];
      if (!gradient.defined() && context.materialize && !is_no_tensor(i))
        gradient = zeros(outputs[i].sizes, outputs[i].dtype);
      gradients.append(nb::steal(wrap(gradient)));
    }
    nb::object result =
        nb::steal(PyObject_CallFunctionObjArgs(backward_.ptr(), context_.ptr(), nb::tuple(gradients).ptr(), nullptr));
    if (!result.is_valid()) throw PythonError();
    distribute(result, outgoing);
  }
  void release() override {
    auto& context = *nb::inst_ptr<Context>(context_);
    context.released = !context.saved.empty();
    context.saved.clear();
  }
  /// Output `i` is something else than a tensor: its gradient is None.
  void add_other_output() {
    no_tensors_.push_back(outputs.size());
    outputs.push_back({{0}, Dtype::F32});  // keeps the numbering
  }

  void* python_context() const override { return context_.ptr(); }

 private:
  bool is_no_tensor(size_t i) const {
    return std::find(no_tensors_.begin(), no_tensors_.end(), i) != no_tensors_.end();
  }

  void distribute(nb::handle result, Gradients& outgoing) {
    nb::tuple values = nb::isinstance<nb::tuple>(result)  ? nb::borrow<nb::tuple>(result)
                       : nb::isinstance<nb::list>(result) ? nb::tuple(result)
                                                          : nb::make_tuple(result);
    size_t given = values.size();
    if (given < arguments_)
      runtime_error("function ", name_, " returned an incorrect number of gradients (expected ", arguments_, ", got ",
                    given, ")");
    for (size_t i = arguments_; i < given; ++i)
      if (!values[i].is_none())
        runtime_error("function ", name_, " returned an incorrect number of gradients (expected ", arguments_, ", got ",
                      given, ")");
    for (size_t edge = 0; edge < argument_of_edge_.size(); ++edge) {
      nb::handle value = values[argument_of_edge_[edge]];
      if (value.is_none() || !outgoing.wants(edge)) continue;
      if (!is_tensor(value.ptr()))
        runtime_error("expected Variable or None (got ", Py_TYPE(value.ptr())->tp_name, ") from the backward of ",
                      name_);
      outgoing[edge] = unwrap(value.ptr());
    }
  }

  std::string name_;
  nb::object context_, backward_;
  std::vector<int> argument_of_edge_;
  size_t arguments_;
  std::vector<size_t> no_tensors_;
};

bool holds(const nb::object& tuple, PyObject* object) {
  if (!tuple.is_valid() || tuple.is_none()) return false;
  for (nb::handle item : nb::borrow<nb::sequence>(tuple))
    if (item.ptr() == object) return true;
  return false;
}

/// Gives the outputs of forward their history. `arguments` are those of apply(), `output` is what forward returned.
nb::object finish(const std::string& name, nb::object context_object, nb::object backward, nb::tuple arguments,
                  nb::object output) {
  if (!nb::isinstance<Context>(context_object)) type_error("finish_function(): the context is not one of Function's");
  auto& context = *nb::inst_ptr<Context>(context_object);
  std::vector<Tensor> inputs;
  std::vector<int> positions;
  for (size_t i = 0; i < arguments.size(); ++i)
    if (is_tensor(arguments[i].ptr())) {
      inputs.push_back(unwrap(arguments[i].ptr()));
      positions.push_back(static_cast<int>(i));
    }
  bool single = !nb::isinstance<nb::tuple>(output) && !nb::isinstance<nb::list>(output);
  nb::tuple outputs = single ? nb::make_tuple(output) : nb::tuple(output);
  bool record_it = needs_gradient(inputs);
  Ref<PythonNode> node;
  if (record_it) {
    node = Ref<PythonNode>(new PythonNode(name, context_object, backward, positions, arguments.size()));
    for (const Tensor& input : inputs) node->edges.push_back(gradient_edge(input));
  }

  nb::list results;
  for (nb::handle item : outputs) {
    if (!is_tensor(item.ptr())) {
      if (record_it) node->add_other_output();
      results.append(item);
      continue;
    }
    Tensor tensor = unwrap(item.ptr());
    bool is_input = holds(arguments, item.ptr());
    if (holds(context.dirty, item.ptr())) {
      if (!is_input) runtime_error("a tensor passed to mark_dirty must be an input of forward");
      check_in_place(tensor, name.c_str());
      tensor.bump_version();
      if (record_it) {
        Tensor history = detach(tensor);
        node->set_history(history);
        rebase_history(tensor, history);
      }
      results.append(item);
      continue;
    }
    bool differentiable =
        record_it && is_differentiable(tensor.dtype()) && !holds(context.non_differentiable, item.ptr());
    // An input that forward hands back unchanged, or an output that has history or a view's base, becomes an object of
    // its own.
    if (is_input || tensor.grad_fn() || tensor.is_view() || tensor.impl()->requires_grad) tensor = detach(tensor);
    if (differentiable)
      node->set_history(tensor);
    else if (record_it)
      node->outputs.push_back({tensor.sizes(), tensor.dtype()});
    results.append(nb::steal(wrap(tensor)));
  }

  if (record_it && context.to_save.is_valid() && !context.to_save.is_none()) {
    for (nb::handle item : nb::borrow<nb::sequence>(context.to_save)) {
      if (item.is_none()) {
        context.saved.push_back(Saved(Tensor()));
        continue;
      }
      if (!is_tensor(item.ptr()))
        type_error("save_for_backward can only save variables, but got an object of type ",
                   Py_TYPE(item.ptr())->tp_name);
      int output_index = -1;
      for (size_t i = 0; i < outputs.size(); ++i)
        if (outputs[i].ptr() == item.ptr() && !holds(arguments, item.ptr())) output_index = static_cast<int>(i);
      Tensor tensor = unwrap(item.ptr());
      context.saved.push_back(output_index >= 0 ? save_output(tensor, output_index) : save(tensor));
    }
  }
  context.to_save = nb::object();
  context.dirty = nb::object();
  context.non_differentiable = nb::object();
  if (single) return nb::object(results[0]);
  return nb::tuple(results);
}

nb::tuple saved_tensors(const Context& context) {
  if (context.released) raise_second_backward();
  nb::list tensors;
  if (context.saved.empty() && context.to_save.is_valid() && !context.to_save.is_none())
    return nb::tuple(context.to_save);
  for (const Saved& saved : context.saved) tensors.append(nb::steal(wrap(saved(context.node))));
  return nb::tuple(tensors);
}

}  // namespace

void add_custom_functions(PyObject* module) {
  auto m = nb::borrow<nb::module_>(module);
  nb::class_<Context>(m, "FunctionContext", nb::dynamic_attr())
      .def(nb::init<>())
      .def(
          "save_for_backward", [](Context& self, nb::args tensors) { self.to_save = tensors; },
          "Keeps tensors for backward.")
      .def(
          "save_for_forward", [](Context&, nb::args) {}, "Kept for jvp, which runs right away.")
      .def(
          "mark_dirty", [](Context& self, nb::args tensors) { self.dirty = tensors; },
          "Inputs that forward changed in place.")
      .def(
          "mark_non_differentiable", [](Context& self, nb::args tensors) { self.non_differentiable = tensors; },
          "Outputs without a derivative.")
      .def(
          "set_materialize_grads", [](Context& self, bool value) { self.materialize = value; }, nb::arg("value"),
          "Whether missing gradients come as zeros (the default) or None.")
      .def_prop_ro("saved_tensors", saved_tensors)
      .def_prop_rw(
          "materialize_grads", [](const Context& self) { return self.materialize; },
          [](Context& self, bool value) { self.materialize = value; })
      .def_prop_rw(
          "needs_input_grad", [](const Context& self) { return self.needs_input_grad; },
          [](Context& self, nb::object value) { self.needs_input_grad = value; });
  m.def("finish_function", finish);
}

}  // namespace ondol::python
