#include "autograd/node.h"

#include "tensor/pointwise.h"

#include "autograd/engine.h"
#include "base/recycler.h"

namespace ondol {
namespace {

uint64_t next_sequence = 0;
thread_local Node* running_node = nullptr;
thread_local std::shared_ptr<Saved::Hooks> hooks_for_saved;

/// Nodes that wait to be freed. Freeing a node frees the nodes behind it: a chain of a million would exhaust the stack
/// if each did so from within the other.
struct Graveyard {
  std::vector<Node*> nodes;
  bool digging = false;
};
thread_local Graveyard graveyard;

}  // namespace

void dispose(Node* node) {
  graveyard.nodes.push_back(node);
  if (graveyard.digging) return;
  graveyard.digging = true;
  while (!graveyard.nodes.empty()) {
    Node* last = graveyard.nodes.back();
    graveyard.nodes.pop_back();
    delete last;
  }
  graveyard.digging = false;
}

// A node of a usual operation fits one of these; others are too rare to keep.
constexpr size_t kSmallNode = 512, kLargeNode = 1024;

void* Node::operator new(size_t bytes) {
  if (bytes <= kSmallNode) return Recycler<kSmallNode>::take();
  if (bytes <= kLargeNode) return Recycler<kLargeNode>::take();
  return ::operator new(bytes);
}
void Node::operator delete(void* memory, size_t bytes) {
  if (bytes <= kSmallNode) return Recycler<kSmallNode>::give(memory);
  if (bytes <= kLargeNode) return Recycler<kLargeNode>::give(memory);
  ::operator delete(memory);
}

Node::Node() : sequence(next_sequence++) {
  if (AnomalyMode::enabled && AnomalyMode::remember) AnomalyMode::remember(*this);
}

Node::~Node() {
  if (anomaly_trace && release_python_object) release_python_object(anomaly_trace);
}

void Node::set_history(Tensor& tensor) {
  TensorImpl* impl = tensor.impl();
  outputs.push_back({impl->sizes, impl->dtype});
  move_to(impl, Ref<Node>(this), static_cast<uint32_t>(outputs.size() - 1));
  if (impl->base) impl->seen_version = impl->version();
}

static void forget_retained(Node& node, TensorImpl* tensor) {
  std::erase_if(node.retained, [tensor](const Node::Retained& entry) { return entry.tensor == tensor; });
}

void move_to(TensorImpl* tensor, Ref<Node> node, uint32_t output) {
  if (tensor->autograd && tensor->autograd->retains_grad) {
    if (tensor->grad_fn) forget_retained(*tensor->grad_fn, tensor);
    if (node) node->retained.push_back({output, tensor});
    tensor->autograd->retains_grad = static_cast<bool>(node);
  }
  // Hooks saw the gradient of the value that was: they stay with its node, and new ones make a new start.
  void* hooks = tensor->autograd ? std::exchange(tensor->autograd->backward_hooks, nullptr) : nullptr;
  tensor->output_index = output;
  tensor->grad_fn = std::move(node);
  if (hooks) AutogradState::release_hooks(hooks);
}

void retain_grad(const Tensor& tensor) {
  if (tensor.is_leaf() || autograd_state(tensor).retains_grad) return;
  autograd_state(tensor).retains_grad = true;
  tensor.grad_fn()->retained.push_back({tensor.impl()->output_index, tensor.impl()});
}

Edge gradient_edge(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  if (const Ref<Node>& node = tensor.grad_fn()) return {node, tensor.impl()->output_index};
  if (!tensor.impl()->requires_grad) return {};
  AutogradState& state = autograd_state(tensor);
  if (state.accumulator) return {Ref<Node>(state.accumulator), 0};
  return {Ref<Node>(new AccumulateGrad(tensor)), 0};
}

bool needs_gradient(const std::vector<Tensor>& tensors) {
  if (!GradMode::enabled()) return false;
  for (const Tensor& tensor : tensors)
    if (tensor.requires_grad()) return true;
  return false;
}

AutogradState& autograd_state(const Tensor& tensor) {
  auto& state = tensor.impl()->autograd;
  if (!state) state = std::make_unique<AutogradState>();
  return *state;
}

bool may_overwrite(const Tensor& gradient) {
  return gradient.is_sole_owner() && running_node && running_node->hooks.empty();
}

Node* current_node() { return running_node; }
void set_current_node(Node* node) { running_node = node; }

/// The values that a tensor has now, with its place in the graph.
static Tensor snapshot(const Tensor& tensor) {
  Tensor copy = empty_like(tensor, tensor.dtype());
  copy_elements(tensor, copy);
  copy.impl()->grad_fn = tensor.grad_fn();
  copy.impl()->output_index = tensor.impl()->output_index;
  return copy;
}

Saved::Saved(const Tensor& tensor) {
  ++made;
  if (!tensor.defined()) return;
  if (tensor.impl()->inference && GradMode::enabled())
    runtime_error(
        "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
        "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and "
        "use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.");
  is_leaf_ = !tensor.impl()->grad_fn;
  keep(InPlaceTarget::is(tensor) ? snapshot(tensor) : tensor);
}

Saved Saved::output(const Tensor& tensor, uint32_t index) {
  Saved saved;
  ++made;
  saved.keep(detach(tensor));
  saved.is_output_ = true;
  saved.output_index_ = index;
  return saved;
}

Saved Saved::or_remade(const Tensor& tensor) {
  const Recipe* recipe = tensor.grad_fn() ? tensor.grad_fn()->recipe() : nullptr;
  const bool as_made = recipe && tensor.storage()->untouched() && !tensor.impl()->own_version;
  if (!as_made || hooks_for_saved || InPlaceTarget::is(tensor)) return Saved(tensor);
  Saved saved;
  ++made;
  saved.remade_ = Ref<Remade>(new Remade(*recipe, tensor.grad_fn()));
  return saved;
}

void dispose(Saved::Remade* remade) { delete remade; }

/// The tensor that a recipe makes, in the place of the one that was.
static Tensor made_again(const Saved::Remade& remade) {
  Tensor tensor;
  {
    NoGrad silent;
    tensor = remade.recipe.make(remade.recipe.input());
  }
  move_to(tensor.impl(), remade.node, 0);
  return tensor;
}

void Saved::keep(const Tensor& tensor) {
  version_ = tensor.version();
  if (!hooks_for_saved) {
    tensor_ = tensor;
    return;
  }
  packed_ = Ref<Packed>(new Packed);
  packed_->hooks = hooks_for_saved;
  packed_->object = packed_->hooks->pack(tensor);
}

Saved::Saved(Saved&& other) noexcept : Saved() { *this = std::move(other); }
Saved& Saved::operator=(const Saved& other) = default;
Saved& Saved::operator=(Saved&& other) noexcept {
  ++made;
  tensor_ = std::move(other.tensor_);
  packed_ = std::move(other.packed_);
  remade_ = std::move(other.remade_);
  version_ = other.version_;
  output_index_ = other.output_index_;
  is_output_ = other.is_output_;
  is_leaf_ = other.is_leaf_;
  return *this;
}
Saved::~Saved() = default;

std::shared_ptr<Saved::Hooks>& Saved::active_hooks() { return hooks_for_saved; }

/// "Mul" of MulBackward0: the operation, as PyTorch's messages name it.
static std::string operation_of(const Node& node) {
  std::string name = node.name();
  size_t suffix = name.rfind("Backward");
  return suffix == std::string::npos || suffix == 0 ? name : name.substr(0, suffix);
}

static std::string described(const Tensor& tensor) {
  return text("[torch.", torch_name(tensor.dtype()), "Tensor ", tensor.sizes(), "]");
}

Tensor Saved::operator()(Node* node) const {
  if (!node) node = running_node;
  if (remade_) return made_again(*remade_);
  Tensor tensor = packed_ ? packed_->hooks->unpack(packed_->object) : tensor_;
  if (!tensor.defined()) return tensor;
  if (!packed_ && tensor.version() != version_) {
    std::string origin;
    if (is_output_ && node)
      origin = text(", which is output ", output_index_, " of ", operation_of(*node), ",");
    else if (tensor.impl()->grad_fn)
      origin =
          text(", which is output ", tensor.impl()->output_index, " of ", operation_of(*tensor.impl()->grad_fn), ",");
    runtime_error("one of the variables needed for gradient computation has been modified by an inplace operation: ",
                  described(tensor), origin, " is at version ", tensor.version(), "; expected version ", version_,
                  " instead", node ? ". The backward of " + operation_of(*node) + " needs it as it was" : "",
                  ": make a new tensor in place of changing this one (y = y + 1, not y += 1). Hint: ",
                  AnomalyMode::enabled
                      ? "the backtrace further above shows the operation that failed to compute its "
                        "gradient. The variable in question was changed in there or anywhere later. Good luck!"
                      : "enable anomaly detection to find the operation that failed to compute its "
                        "gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).");
  }
  if (!is_output_ || !GradMode::enabled() || !node) return tensor;
  Tensor with_history = detach(tensor);
  with_history.impl()->grad_fn = Ref<Node>(node);
  with_history.impl()->output_index = output_index_;
  return with_history;
}

void raise_second_backward() {
  runtime_error(
      "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
      "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
      "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
      "saved tensors after calling backward; or compute the loss again before each backward, which makes a new graph.");
}

void record_not_differentiable(const char* operation, Tensor& output, std::initializer_list<Tensor> inputs) {
  record("NotImplemented", output, inputs, [operation](const Tensor&, Gradients&) {
    not_implemented("derivative for ", operation, " is not implemented");
  });
}

}  // namespace ondol
