// What the function transforms (ondol/func, ondol/_vmap) need to know about tensors and graphs.

#include <nanobind/nanobind.h>

#include <unordered_set>

#include "autograd/node.h"
#include "bindings/module.h"
#include "bindings/python.h"
#include "ops/functions.h"
#include "ops/random.h"

namespace nb = nanobind;

namespace ondol::python {
namespace {

/// Whether the graph behind the tensors reaches a leaf, other than those given, that still requires grad.
bool depends_on_other_leaves(nb::handle tensors, nb::handle known) {
  std::unordered_set<const TensorImpl*> known_leaves;
  for (nb::handle leaf : nb::borrow<nb::sequence>(known))
    known_leaves.insert(to_tensor(leaf.ptr(), "depends_on_other_leaves()").impl());
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> waiting;
  auto visit = [&](const Node* node) {
    if (node && seen.insert(node).second) waiting.push_back(node);
  };
  std::vector<Edge> roots;  // keep the nodes alive
  for (nb::handle item : nb::borrow<nb::sequence>(tensors)) {
    Tensor tensor = to_tensor(item.ptr(), "depends_on_other_leaves()");
    if (tensor.requires_grad()) roots.push_back(gradient_edge(tensor));
  }
  for (const Edge& root : roots) visit(root.node.get());
  while (!waiting.empty()) {
    const Node* node = waiting.back();
    waiting.pop_back();
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(node))
      if (leaf->variable.requires_grad() && !known_leaves.contains(leaf->variable.impl())) return true;
    for (const Edge& edge : node->edges) visit(edge.node.get());
  }
  return false;
}

/// The first example of a batch as an object of a class: it has the shape, dtype and strides that all of them have.
nb::object first_example(nb::handle type, nb::handle batch) {
  Tensor examples = detach(to_tensor(batch.ptr(), "first_example()"));
  if (examples.ndim() == 0) runtime_error("first_example(): expected a tensor with a batch dimension");
  Dims sizes;
  for (int64_t dim = 1; dim < examples.ndim(); ++dim) sizes.push_back(examples.sizes()[dim]);
  NoGrad silent;
  Tensor first = examples.sizes()[0] ? select(examples, 0, 0) : empty(sizes, examples.dtype());
  return nb::steal(wrap_as(reinterpret_cast<PyTypeObject*>(type.ptr()), first));
}

}  // namespace

void add_transforms(PyObject* module) {
  auto m = nb::borrow<nb::module_>(module).def_submodule("_transforms");
  m.def("depends_on_other_leaves", depends_on_other_leaves, nb::arg("tensors"), nb::arg("known"));
  m.def("first_example", first_example, nb::arg("cls"), nb::arg("batch"));
  m.def("set_random_forbidden", [](bool on) { return std::exchange(RandomDraws::forbidden, on); });
}

}  // namespace ondol::python
