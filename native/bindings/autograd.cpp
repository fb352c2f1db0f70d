// Grad modes, backward, and hooks on tensors. Nodes are shown by autograd_node.cpp, custom functions live in
// autograd_function.cpp.

#include "bindings/autograd.h"

#include <nanobind/nanobind.h>

#include "autograd/engine.h"
#include "bindings/module.h"
#include "ops/functions.h"

namespace nb = nanobind;

namespace ondol::python {
namespace {

/// Calls the values of a Python dict, in order, with a gradient; what is not None replaces it.
class DictHook final : public GradientHook {
 public:
  explicit DictHook(PyObject* hooks) : hooks_(Object::share(hooks)) {}
  void* python_object() const override { return hooks_.get(); }

  void before(std::vector<Tensor>& gradients) override {
    Object callables = checked(PyObject_CallMethod(hooks_.get(), "values", nullptr));
    Object list = checked(PySequence_List(callables.get()));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i) {
      Object gradient = checked(wrap(gradients[0]));
      Object result = checked(PyObject_CallOneArg(PyList_GET_ITEM(list.get(), i), gradient.get()));
      if (result.get() == Py_None) continue;
      if (!is_tensor(result.get()))
        type_error("expected Variable, but hook returned '", Py_TYPE(result.get())->tp_name, "'");
      Tensor replacement = unwrap(result.get());
      if (replacement.sizes() != gradients[0].sizes())
        runtime_error("hook has changed the size of value: from ", gradients[0].sizes(), " to ", replacement.sizes());
      gradients[0] = replacement;
    }
  }

 private:
  Object hooks_;
};

std::vector<Tensor> to_tensors(nb::handle sequence, const char* what) {
  std::vector<Tensor> tensors;
  for (nb::handle item : nb::borrow<nb::sequence>(sequence)) {
    if (item.is_none()) {
      tensors.emplace_back();
      continue;
    }
    if (!is_tensor(item.ptr())) type_error(what, " must be Tensors, not ", Py_TYPE(item.ptr())->tp_name);
    tensors.push_back(unwrap(item.ptr()));
  }
  return tensors;
}

/// Where a pass begins or ends: at a tensor, or at an edge of the graph alone.
struct Place {
  Tensor tensor;
  Edge edge;

  bool defined() const { return tensor.defined() || edge.node; }
  bool requires_grad() const { return tensor.defined() ? tensor.requires_grad() : bool(edge.node); }
  const Dims& sizes() const { return tensor.defined() ? tensor.sizes() : edge.node->outputs[edge.input].sizes; }
  Dtype dtype() const { return tensor.defined() ? tensor.dtype() : edge.node->outputs[edge.input].dtype; }
};

/// A Tensor, None, or a GradientEdge: a tuple of a node, the number of its output and what keeps it alive.
Place to_place(nb::handle item, const char* what) {
  if (item.is_none()) return {};
  if (is_tensor(item.ptr())) return {unwrap(item.ptr()), {}};
  if (!PyTuple_Check(item.ptr()) || PyTuple_GET_SIZE(item.ptr()) != 3)
    type_error(what, " must be Tensors, not ", Py_TYPE(item.ptr())->tp_name);
  const nb::tuple edge = nb::borrow<nb::tuple>(item);
  Node* node = unwrap_node(nb::object(edge[0]).ptr());
  int64_t output = 0;
  if (!nb::try_cast(nb::object(edge[1]), output, false))
    type_error("GradientEdge: the number of an output must be an int of at most 64 bits");
  if (output < 0 || output >= static_cast<int64_t>(node->outputs.size()))
    index_error("GradientEdge: node ", node->name(), " has ", node->outputs.size(), " outputs, and no number ", output);
  return {{}, {Ref<Node>(node), static_cast<uint32_t>(output)}};
}
std::vector<Place> to_places(nb::handle sequence, const char* what) {
  std::vector<Place> places;
  for (nb::handle item : nb::borrow<nb::sequence>(sequence)) places.push_back(to_place(item, what));
  return places;
}
Edge edge_of(const Place& place) { return place.tensor.defined() ? gradient_edge(place.tensor) : place.edge; }

/// The gradient to start from: the given one, or 1 for a scalar.
Tensor starting_gradient(const Place& root, const Tensor& given) {
  if (!root.requires_grad())
    runtime_error(
        "element 0 of tensors does not require grad and does not have a grad_fn: nothing it was "
        "computed from has requires_grad=True, or it was computed under no_grad() or after detach()");
  if (given.defined()) {
    if (given.sizes() != root.sizes())
      runtime_error("Mismatch in shape: grad_output[0] has a shape of torch.Size(", given.sizes(),
                    ") and output[0] has a shape of torch.Size(", root.sizes(), ").");
    if (is_complex(given.dtype()) != is_complex(root.dtype()))
      runtime_error(
          "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
          "grad_output has ",
          name(given.dtype()), " and output has ", name(root.dtype()), ".");
    return given;
  }
  if (count_elements(root.sizes()) != 1)
    runtime_error("grad can be implicitly created only for scalar outputs; this one has shape ", root.sizes(),
                  ": reduce it first (.sum(), .mean()) or pass gradient=");
  if (!is_floating(root.dtype()))
    runtime_error("grad can be implicitly created only for real scalar outputs but got torch.", name(root.dtype()));
  return root.tensor.defined() ? ones_like(root.tensor) : ones(root.sizes(), root.dtype());
}

nb::object run(nb::handle roots_object, nb::handle gradients_object, bool retain_graph, bool create_graph,
               nb::handle inputs_object, bool allow_unused, bool accumulate) {
  std::vector<Place> roots = to_places(roots_object, "tensors"), inputs;
  std::vector<Tensor> given = to_tensors(gradients_object, "grad_tensors");
  if (roots.size() != given.size()) runtime_error("got ", roots.size(), " tensors and ", given.size(), " gradients");
  std::vector<Edge> edges, targets;
  std::vector<Tensor> gradients;
  for (size_t i = 0; i < roots.size(); ++i) {
    if (!roots[i].defined()) type_error("tensors must be Tensors, not NoneType");
    NoGrad silent;
    gradients.push_back(starting_gradient(roots[i], given[i]));
    edges.push_back(edge_of(roots[i]));
  }
  if (!inputs_object.is_none()) {
    inputs = to_places(inputs_object, "inputs");
    if (inputs.empty()) runtime_error("`inputs` argument to `grad()` cannot be empty.");
    for (const Place& input : inputs) {
      if (!input.defined() || !input.requires_grad())
        runtime_error("One of the differentiated Tensors does not require grad");
      if (accumulate && input.tensor.defined()) retain_grad(input.tensor);  // that of a non-leaf lands in its .grad too
      targets.push_back(edge_of(input));
    }
  }
  BackwardOptions options;
  options.keep_graph = retain_graph;
  options.create_graph = create_graph;
  options.accumulate = accumulate;
  std::vector<Tensor> results = run_backward(edges, std::move(gradients), targets, options);
  if (accumulate) return nb::none();
  nb::list tuple;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Tensor result = i < results.size() ? results[i] : Tensor();
    if (!result.defined() && !allow_unused)
      runtime_error("The differentiated Tensor at index ", i,
                    " appears to not have been used in the graph. Set "
                    "allow_unused=True if this is the desired behavior.");
    tuple.append(nb::steal(wrap(result)));
  }
  return nb::tuple(tuple);
}

/// saved_tensors_hooks: pack and unpack are Python callables.
void push_saved_hooks(nb::handle pack, nb::handle unpack) {
  auto hooks = std::make_shared<Saved::Hooks>();
  auto share = [](PyObject* object) {
    return std::shared_ptr<PyObject>(Py_NewRef(object), [](PyObject* o) { Py_DECREF(o); });
  };
  std::shared_ptr<PyObject> packer = share(pack.ptr()), unpacker = share(unpack.ptr());
  hooks->pack = [packer](const Tensor& tensor) -> std::shared_ptr<void> {
    std::shared_ptr<Saved::Hooks> outer =
        std::exchange(Saved::active_hooks(), nullptr);  // packing is not packed itself
    NoGrad silent;
    PyObject* object = PyObject_CallOneArg(packer.get(), Object::steal(wrap(tensor)).get());
    Saved::active_hooks() = outer;
    if (!object) throw PythonError();
    return std::shared_ptr<void>(object, [](void* o) { Py_DECREF(static_cast<PyObject*>(o)); });
  };
  hooks->unpack = [unpacker](const std::shared_ptr<void>& packed) {
    Object tensor = checked(PyObject_CallOneArg(unpacker.get(), static_cast<PyObject*>(packed.get())));
    if (!is_tensor(tensor.get()))
      type_error("Output of saved tensor unpack_hook expected to be a Tensor but got result of type ",
                 Py_TYPE(tensor.get())->tp_name);
    return unwrap(tensor.get());
  };
  Saved::active_hooks() = hooks;
}

}  // namespace

void mark_requires_grad(const Tensor& tensor, bool on) {
  if (!tensor.is_leaf()) {
    if (!on)
      runtime_error(
          "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
          "subgraph that "
          "doesn't require differentiation use var_no_grad = var.detach().");
    return;
  }
  if (on && !is_differentiable(tensor.dtype()))
    runtime_error("only Tensors of floating point and complex dtype can require gradients, not ", name(tensor.dtype()));
  if (on && tensor.impl()->inference && !GradMode::inference())
    runtime_error("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
  tensor.impl()->requires_grad = on;
}

void assign_backward_hooks(const Tensor& tensor, PyObject* hooks) {
  AutogradState& state = autograd_state(tensor);
  Py_XDECREF(static_cast<PyObject*>(state.backward_hooks));
  state.backward_hooks = Py_XNewRef(hooks);
  if (tensor.is_leaf()) {
    state.hooks.clear();
    if (hooks) state.hooks.push_back({0, std::make_shared<DictHook>(hooks)});
  } else if (hooks) {
    tensor.grad_fn()->tensor_hooks().push_back({tensor.impl()->output_index, std::make_shared<DictHook>(hooks)});
  }
}

void add_autograd(PyObject* module) {
  AutogradState::release_hooks = [](void* hooks) { Py_DECREF(static_cast<PyObject*>(hooks)); };
  Node::release_python_object = [](void* object) { Py_DECREF(static_cast<PyObject*>(object)); };
  auto m = nb::borrow<nb::module_>(module).def_submodule("autograd");
  m.def("is_grad_enabled", [] { return GradMode::enabled(); });
  m.def("set_grad_enabled", [](bool on) { GradMode::set(on); });
  m.def("is_inference_mode_enabled", [] { return GradMode::inference(); });
  m.def("set_inference_mode", [](bool on) { GradMode::set_inference(on); });
  m.def("run_backward", run, nb::arg("tensors"), nb::arg("grad_tensors"), nb::arg("retain_graph"),
        nb::arg("create_graph"), nb::arg("inputs").none(), nb::arg("allow_unused"), nb::arg("accumulate"));
  m.def("retain_grad", [](nb::handle object) {
    Tensor tensor = to_tensor(object.ptr(), "retain_grad()");
    if (!tensor.requires_grad()) runtime_error("can't retain_grad on Tensor that has requires_grad=False");
    retain_grad(tensor);
  });
  m.def("set_post_accumulate_hooks", [](nb::handle object, nb::handle hooks) {
    AutogradState& state = autograd_state(to_tensor(object.ptr(), "set_post_accumulate_hooks()"));
    state.post_hooks = {std::make_shared<DictHook>(hooks.ptr())};
  });
  m.def("push_saved_tensors_hooks", push_saved_hooks);
  m.def("pop_saved_tensors_hooks", [] { Saved::active_hooks() = nullptr; });
  m.def("is_anomaly_enabled", [] { return AnomalyMode::enabled; });
  m.def("is_anomaly_check_nan_enabled", [] { return AnomalyMode::check_nan; });
  m.def(
      "set_anomaly_enabled",
      [](bool on, bool check_nan) {
        AnomalyMode::enabled = on;
        AnomalyMode::check_nan = check_nan;
      },
      nb::arg("enabled"), nb::arg("check_nan") = true);
  m.def("current_graph_task_id", current_pass,
        "The number of the backward pass that is running on this thread, or -1.");
  m.def(
      "will_engine_execute_node", [](nb::handle node) { return will_run(*unwrap_node(node.ptr())); },
      "Whether the backward pass that is running reaches a node.");
  m.def("increment_version", [](nb::handle object) { to_tensor(object.ptr(), "increment_version()").bump_version(); });
  m.def("gradient_edge", [](nb::handle object) {
    Edge edge = gradient_edge(to_tensor(object.ptr(), "gradient_edge()"));
    return nb::make_tuple(nb::steal(wrap_node(edge.node)), edge.input);
  });
  add_nodes(m.ptr());
  add_custom_functions(m.ptr());
}

}  // namespace ondol::python
