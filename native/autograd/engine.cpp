// The backward pass: an iterative walk, in the order of a priority queue, so that the depth of the graph does not
// matter.

#include "autograd/engine.h"

#include <queue>
#include <unordered_map>

#include "tensor/pointwise.h"

namespace ondol {

// The arithmetic that accumulation needs; operations of the floor above.
Tensor add(const Tensor& self, const Tensor& other, const Scalar& alpha);
Tensor& add_(Tensor& self, const Tensor& other, const Scalar& alpha);
Tensor sum_to_size(const Tensor& self, const Dims& sizes);
Tensor to_dtype(const Tensor& self, Dtype dtype);
Tensor real(const Tensor& self);
Tensor clone(const Tensor& self);
Tensor zeros(const Dims& sizes, Dtype dtype);
bool has_nan(const Tensor& self);

namespace {

uint64_t passes = 0;
uint64_t pass_with_inline_notes = 0;  // 0: none is running

struct Later {
  bool operator()(const Node* a, const Node* b) const { return a->sequence < b->sequence; }
};

/// One call of backward. The first one at a time keeps its notes in the nodes; one that runs inside it (a hook or a
/// custom function that calls backward, or another thread) keeps them in a table.
class Pass {
 public:
  explicit Pass(const BackwardOptions& options)
      : options_(options), id_(++passes), keep_graph_(options.keep_graph), outer_(running) {
    running = this;
    if (pass_with_inline_notes == 0) pass_with_inline_notes = id_;
    inline_notes_ = pass_with_inline_notes == id_;
  }
  ~Pass() {
    running = outer_;
    if (!inline_notes_) return;
    pass_with_inline_notes = 0;
    for (Node* node : touched_) node->notes.incoming.clear();  // left over when an exception ended the pass
  }

  std::vector<Tensor> run(const std::vector<Edge>& roots, std::vector<Tensor> gradients,
                          const std::vector<Edge>& inputs) {
    for (const Edge& root : roots) discover(root.node.get());
    if (!inputs.empty()) mark_needed(roots, inputs);
    for (size_t i = 0; i < roots.size(); ++i) deliver(roots[i], std::move(gradients[i]), "root");
    std::vector<Node*> initial;
    for (const Edge& root : roots)
      if (notes(root.node.get()).waiting == 0 &&
          std::find(initial.begin(), initial.end(), root.node.get()) == initial.end())
        initial.push_back(root.node.get());
    for (Node* node : initial) ready_.push(node);
    GradModeGuard mode(options_.create_graph);
    Node* outer = current_node();
    try {
      while (!ready_.empty()) {
        Node* node = ready_.top();
        ready_.pop();
        step(*node);
      }
    } catch (...) {
      set_current_node(outer);
      throw;
    }
    set_current_node(outer);
    return std::move(captured_);
  }

  uint64_t id() const { return id_; }
  bool will_run(Node* node) {
    Node::Notes& note = notes(node);
    return note.pass == id_ && (note.needed || captures_.count(node));
  }

  bool alone_sees_gradient(Node* node) {
    const Node::Notes& note = notes(node);
    const bool one_edge = note.pass == id_ && note.needed && note.waiting == 1 && note.incoming.empty();
    const bool watched = !node->hooks.empty() || !node->tensor_hooks().empty() || !node->retained.empty();
    return one_edge && !watched && !captures_.count(node) && !GradMode::enabled() && !AnomalyMode::enabled;
  }

  static inline thread_local Pass* running = nullptr;

 private:
  Node::Notes& notes(Node* node) { return inline_notes_ ? node->notes : table_[node]; }

  /// Whether the node is new to this pass.
  bool touch(Node* node) {
    Node::Notes& note = notes(node);
    if (note.pass == id_) return false;
    note.pass = id_;
    note.waiting = 0;
    note.needed = true;
    note.incoming.clear();
    touched_.push_back(node);
    return true;
  }

  /// Counts for every node how many edges will deliver to it.
  void discover(Node* root) {
    if (!touch(root)) return;
    std::vector<Node*> stack{root};
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      for (const Edge& edge : node->edges) {
        Node* next = edge.node.get();
        if (!next) continue;
        if (touch(next)) stack.push_back(next);
        ++notes(next).waiting;
      }
    }
  }

  /// Leaves `needed` only on the nodes from which a gradient can reach one of the inputs.
  void mark_needed(const std::vector<Edge>& roots, const std::vector<Edge>& inputs) {
    for (Node* node : touched_) notes(node).needed = false;
    captured_.resize(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      Node* target = inputs[i].node.get();
      if (!target || notes(target).pass != id_) continue;
      captures_[target].push_back({inputs[i].input, i});
      if (options_.accumulate) notes(target).needed = true;
    }
    // A node comes after all that its edges lead to: depth-first, finishing order.
    std::unordered_map<Node*, size_t> next_edge;
    std::vector<Node*> stack;
    for (const Edge& root : roots) {
      if (next_edge.emplace(root.node.get(), 0).second) stack.push_back(root.node.get());
      while (!stack.empty()) {
        Node* node = stack.back();
        size_t& edge = next_edge[node];
        bool descended = false;
        while (edge < node->edges.size()) {
          Node* next = node->edges[edge++].node.get();
          if (next && next_edge.emplace(next, 0).second) {
            stack.push_back(next);
            descended = true;
            break;
          }
        }
        if (descended) continue;
        for (const Edge& to : node->edges)
          if (to.node && leads_to_inputs(to.node.get())) notes(node).needed = true;
        stack.pop_back();
      }
    }
  }

  void deliver(const Edge& edge, Tensor gradient, const char* from) {
    Node* node = edge.node.get();
    Node::Notes& note = notes(node);
    if (note.incoming.empty()) note.incoming.resize(std::max<size_t>(node->outputs.size(), edge.input + 1));
    if (!gradient.defined()) return;
    if (edge.input < node->outputs.size()) {
      const Node::OutputMeta& meta = node->outputs[edge.input];
      gradient = fit_gradient(gradient, meta.sizes, meta.any_dtype ? gradient.dtype() : meta.dtype, from);
    }
    Tensor& sum = note.incoming[edge.input];
    if (!sum.defined())
      sum = std::move(gradient);
    else if (!GradMode::enabled() && sum.is_sole_owner() && is_dense(sum.sizes(), sum.strides()))
      add_(sum, gradient, 1);
    else
      sum = add(sum, gradient, 1);
  }

  void step(Node& node) {
    std::vector<Tensor> incoming = std::move(notes(&node).incoming);
    incoming.resize(std::max<size_t>(node.outputs.size(), 1));
    set_current_node(&node);
    run_tensor_hooks(node, incoming);
    if (auto found = captures_.find(&node); found != captures_.end())
      for (auto [output, slot] : found->second)
        if (!options_.accumulate) captured_[slot] = incoming[output];

    std::vector<Tensor> outgoing(node.edges.size());
    if (notes(&node).needed) run_node(node, incoming, outgoing);
    incoming.clear();
    for (size_t i = 0; i < node.edges.size(); ++i) {
      const Edge& edge = node.edges[i];
      if (!edge.node) continue;
      if (leads_to_inputs(edge.node.get())) deliver_named(edge, std::move(outgoing[i]), node, i);
      if (--notes(edge.node.get()).waiting == 0) ready_.push(edge.node.get());
    }
  }

  void deliver_named(const Edge& edge, Tensor gradient, Node& from, size_t index) {
    if (!gradient.defined()) return;
    try {
      deliver(edge, std::move(gradient), nullptr);
    } catch (const Error& error) {
      raise(error.kind, "Function ", from.name(), " returned an invalid gradient at index ", index, " - ",
            error.what());
    }
  }

  void run_tensor_hooks(Node& node, std::vector<Tensor>& incoming) {
    auto& hooks = node.tensor_hooks();
    for (size_t i = 0; i < hooks.size(); ++i) {
      Node::TensorHook entry = hooks[i];  // a hook may remove itself
      if (!incoming[entry.output].defined()) continue;
      std::vector<Tensor> one{incoming[entry.output]};
      entry.hook->before(one);
      incoming[entry.output] = one[0];
    }
    for (size_t i = 0; i < node.retained.size(); ++i) {
      Node::Retained entry = node.retained[i];
      const Tensor& gradient = incoming[entry.output];
      if (!gradient.defined()) continue;
      Tensor& grad = entry.tensor->autograd->grad;
      Tensor sum = grad.defined() ? add(grad, gradient, 1) : options_.create_graph ? gradient : detach(gradient);
      std::swap(grad, sum);  // the old one goes last: that may run Python code
    }
  }

  bool leads_to_inputs(Node* node) { return notes(node).needed || captures_.count(node); }

  /// Marks the edges that lead to none of the inputs asked for; empty if all of the graph is.
  std::vector<char> unwanted_edges(const Node& node) {
    std::vector<char> unwanted;
    if (captures_.empty()) return unwanted;
    for (const Edge& edge : node.edges) unwanted.push_back(edge.node && !leads_to_inputs(edge.node.get()));
    return unwanted;
  }

  void run_node(Node& node, std::vector<Tensor>& incoming, std::vector<Tensor>& outgoing) {
    bool any = false;
    for (const Tensor& gradient : incoming) any |= gradient.defined();
    if (!any && node.hooks.empty() && !node.materializes()) return;
    for (size_t i = 0; i < node.hooks.size(); ++i) node.hooks[i]->before(incoming);
    const std::vector<char> unwanted = unwanted_edges(node);
    Gradients gradients(node.edges, outgoing, unwanted.empty() ? nullptr : &unwanted);
    try {
      node.apply(incoming, gradients);
      if (AnomalyMode::enabled && AnomalyMode::check_nan) check_nan(node, outgoing);
    } catch (...) {
      if (AnomalyMode::enabled && AnomalyMode::report) AnomalyMode::report(node);
      throw;
    }
    for (size_t i = 0; i < node.hooks.size(); ++i) node.hooks[i]->after(outgoing, incoming);
    if (!keep_graph_) node.release();
  }

  static void check_nan(Node& node, const std::vector<Tensor>& outgoing) {
    for (size_t i = 0; i < outgoing.size(); ++i)
      if (outgoing[i].defined() && has_nan(outgoing[i]))
        runtime_error("Function '", node.name(), "' returned nan values in its ", i, "th output.");
  }

  const BackwardOptions& options_;
  uint64_t id_;
  bool keep_graph_;
  bool inline_notes_;
  Pass* outer_;
  std::unordered_map<Node*, Node::Notes> table_;
  std::vector<Node*> touched_;
  struct Capture {
    uint32_t output;
    size_t slot;
  };
  std::unordered_map<Node*, std::vector<Capture>> captures_;
  std::vector<Tensor> captured_;
  std::priority_queue<Node*, std::vector<Node*>, Later> ready_;
};

}  // namespace

std::vector<Tensor> run_backward(const std::vector<Edge>& roots, std::vector<Tensor> gradients,
                                 const std::vector<Edge>& inputs, const BackwardOptions& options) {
  return Pass(options).run(roots, std::move(gradients), inputs);
}

int64_t current_pass() { return Pass::running ? static_cast<int64_t>(Pass::running->id()) : -1; }
bool will_run(Node& node) { return Pass::running && Pass::running->will_run(&node); }
bool alone_sees_gradient(Node& node) { return Pass::running && Pass::running->alone_sees_gradient(&node); }

Tensor fit_gradient(const Tensor& gradient, const Dims& sizes, Dtype dtype, const char*) {
  Tensor fitted = gradient;
  if (fitted.dtype() != dtype) {
    if (is_complex(fitted.dtype()) && !is_complex(dtype)) fitted = real(fitted);
    if (fitted.dtype() != dtype) fitted = to_dtype(fitted, dtype);
  }
  if (fitted.sizes() == sizes) return fitted;
  size_t extra = fitted.sizes().size() - sizes.size();
  bool expandable = fitted.sizes().size() >= sizes.size();
  for (size_t i = 0; expandable && i < sizes.size(); ++i)
    expandable = sizes[i] == 1 || sizes[i] == fitted.sizes()[extra + i];
  if (!expandable) runtime_error("got ", gradient.sizes(), " but expected shape compatible with ", sizes);
  return sum_to_size(fitted, sizes);
}

AccumulateGrad::AccumulateGrad(const Tensor& leaf) : variable(leaf) {
  sequence = UINT64_MAX;  // as early as possible, so that the gradient's memory is not held
  AutogradState& state = autograd_state(leaf);
  outputs.push_back({leaf.sizes(), state.grad_dtype.value_or(leaf.dtype()), state.any_grad_dtype});
  state.accumulator = this;
}

AccumulateGrad::~AccumulateGrad() { autograd_state(variable).accumulator = nullptr; }

/// A .grad has the strides of its leaf; it is row-major if those of the leaf have holes or overlap.
static bool lies_like(const Tensor& gradient, const Tensor& leaf) {
  return is_dense(leaf.sizes(), leaf.strides()) ? gradient.strides() == leaf.strides() : gradient.is_contiguous();
}
static Tensor copy_lying_like(const Tensor& gradient, const Tensor& leaf) {
  Tensor copy = empty_like(leaf, gradient.dtype());
  copy_elements(gradient, copy);
  return copy;
}

void AccumulateGrad::apply(std::span<const Tensor> incoming, Gradients&) {
  const Tensor& gradient = incoming[0];
  if (!gradient.defined() || !variable.impl()->requires_grad) return;
  AutogradState& state = autograd_state(variable);
  if (!state.grad.defined()) {
    if (GradMode::enabled())
      state.grad = clone(gradient);
    else if (gradient.is_sole_owner() && lies_like(gradient, variable))
      state.grad = detach(gradient);
    else
      state.grad = copy_lying_like(gradient, variable);
  } else if (GradMode::enabled()) {
    state.grad = add(state.grad, gradient, 1);
  } else {
    add_(state.grad, gradient, 1);
  }
  for (const auto& hook : std::vector(state.post_hooks)) {  // a copy: a hook may take itself away
    std::vector<Tensor> self{variable};
    hook->before(self);
  }
}

}  // namespace ondol
