#include "ops/flat_gradient.h"

#include "autograd/node.h"
#include "ops/functions.h"
#include "ops/registry.h"

namespace ondol {

Tensor joined_to_inputs(const Tensor& gradient) {
  if (!GradMode::enabled()) return gradient;
  const Edges& inputs = current_node()->edges;
  std::vector<Node::OutputMeta> shapes;
  for (const Edge& edge : inputs)
    shapes.push_back(edge.node ? edge.node->outputs[edge.input] : Node::OutputMeta{{}, Dtype::F32});
  Tensor result = detach(gradient);
  Ref<Node> node = record("FlatBackward0", result, {gradient}, [shapes](const Tensor& g, Gradients& in) {
    in[0] = g;
    for (size_t i = 0; i < shapes.size(); ++i)
      if (in.wants(i + 1)) in[i + 1] = zeros(shapes[i].sizes, shapes[i].dtype);
  });
  for (const Edge& edge : inputs) node->edges.push_back(edge);
  return result;
}

Tensor with_joined_gradient(const Tensor& self) {
  if (!needs_gradient(self)) return self;
  Tensor result = detach(self);
  record("AliasBackward0", result, {self}, [](const Tensor& g, Gradients& in) { in[0] = joined_to_inputs(g); });
  return result;
}

void register_flat_gradient(Registry& r) {
  r.add("nn.with_joined_gradient(Tensor self) -> Tensor", with_joined_gradient, kFunction);
}

}  // namespace ondol
