#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "autograd/mode.h"
#include "base/small_vector.h"
#include "tensor/tensor.h"

namespace ondol {

class Node;
struct Recipe;

/// Where a gradient flows: input number `input` of `node`, which is output number `input` of the forward operation.
struct Edge {
  Ref<Node> node;
  uint32_t input = 0;
};
using Edges = SmallVector<Edge, 2>;

/// The gradients that a node returns, one for each edge. Only those that are wanted need to be computed.
class Gradients {
 public:
  /// `unwanted`, if given, marks edges along which nothing that was asked for can be reached.
  Gradients(const Edges& edges, std::vector<Tensor>& values, const std::vector<char>* unwanted = nullptr)
      : edges_(edges), values_(values), unwanted_(unwanted) {}
  bool wants(size_t i) const { return edges_[i].node && !(unwanted_ && (*unwanted_)[i]); }
  size_t size() const { return edges_.size(); }
  Tensor& operator[](size_t i) { return values_[i]; }

 private:
  const Edges& edges_;
  std::vector<Tensor>& values_;
  const std::vector<char>* unwanted_;
};

/// Callbacks that a user hung on a node or a tensor. They live in the bindings; here they are only called.
struct GradientHook {
  virtual ~GradientHook() = default;
  /// Before the node runs: may replace the gradients that came in.
  virtual void before(std::vector<Tensor>& incoming) { (void)incoming; }
  /// After the node ran: may replace the gradients that go out.
  virtual void after(std::vector<Tensor>& outgoing, const std::vector<Tensor>& incoming) {
    (void)outgoing, (void)incoming;
  }
  /// The Python object it owns, for the collector of cycles.
  virtual void* python_object() const { return nullptr; }
};

/// A step of the recorded graph: the derivative of one operation.
class Node : public Counted {
 public:
  Node();
  virtual ~Node();
  static void* operator new(size_t bytes);
  static void operator delete(void* memory, size_t bytes);

  /// The class name that Python shows, such as MulBackward0.
  virtual std::string name() const = 0;
  /// Takes the gradient of each forward output (undefined if none flowed) to that of each input.
  virtual void apply(std::span<const Tensor> incoming, Gradients& outgoing) = 0;
  /// Forgets what was saved for the derivative; a later apply raises.
  virtual void release() {}
  /// How its output is made again from what it keeps anyway, or null.
  virtual const Recipe* recipe() const { return nullptr; }
  /// Whether a gradient of None must be passed on as zeros.
  virtual bool materializes() const { return false; }
  /// The Python object that a custom function keeps its things in, or null.
  virtual void* python_context() const { return nullptr; }

  Edges edges;
  uint64_t sequence;  // later operations have larger ones and run first

  /// What the gradient of forward output i must look like.
  struct OutputMeta {
    Dims sizes;
    Dtype dtype;
    bool any_dtype = false;  // the gradient keeps its own
  };
  SmallVector<OutputMeta, 1> outputs;
  std::vector<std::unique_ptr<GradientHook>> hooks;
  /// Hooks on the gradient of an output tensor, by output number.
  struct TensorHook {
    uint32_t output;
    std::shared_ptr<GradientHook> hook;
  };
  std::vector<TensorHook> own_tensor_hooks;
  virtual std::vector<TensorHook>& tensor_hooks() { return own_tensor_hooks; }
  /// Outputs whose gradient is kept in their .grad; a tensor takes itself out when it goes.
  struct Retained {
    uint32_t output;
    TensorImpl* tensor;
  };
  std::vector<Retained> retained;

  void* python = nullptr;         // the Python object that shows it, not owned
  void* anomaly_trace = nullptr;  // a Python object with the stack of the forward call, owned (see hooks_release)
  static inline void (*release_python_object)(void*) = nullptr;

  /// The engine's notes on a node during one backward pass, see engine.cpp.
  struct Notes {
    uint64_t pass = 0;     // the pass they belong to
    uint32_t waiting = 0;  // edges that have yet to deliver
    bool needed = true;    // whether it must run for the gradients that were asked for
    std::vector<Tensor> incoming;
  };
  Notes notes;

  /// Adds an output and makes `tensor` know its history.
  void set_history(Tensor& tensor);
};

/// Gives a tensor another place in the graph (none, if `node` is null); the node that keeps its gradient in .grad
/// changes with it.
void move_to(TensorImpl* tensor, Ref<Node> node, uint32_t output);
/// Keeps the gradient of a non-leaf in its .grad from now on; nothing for a leaf, which keeps it anyway.
void retain_grad(const Tensor& tensor);

/// The edge along which the gradient of a tensor flows: to its grad_fn, to the node that accumulates into .grad, or
/// nowhere.
Edge gradient_edge(const Tensor& tensor);

inline bool needs_gradient(const Tensor& a) { return GradMode::enabled() && a.requires_grad(); }
template <class... Rest>
bool needs_gradient(const Tensor& a, const Rest&... rest) {
  return needs_gradient(a) || needs_gradient(rest...);
}
bool needs_gradient(const std::vector<Tensor>& tensors);

/// A tensor kept for the derivative. Taking it back checks that nobody changed it in place meanwhile.
class Saved {
 public:
  Saved() = default;
  /// An input of the operation.
  explicit Saved(const Tensor& tensor);
  /// Its output: kept without history, for the node would own itself otherwise.
  static Saved output(const Tensor& tensor, uint32_t index = 0);
  /// An input of the operation that, if its own node has a recipe, is not kept but made again when it is taken back:
  /// memory for a second computation. Then a change in place of the tensor meanwhile does no harm, and is not refused.
  static Saved or_remade(const Tensor& tensor);

  Saved(const Saved& other) : Saved() { *this = other; }
  Saved(Saved&& other) noexcept;
  Saved& operator=(const Saved& other);
  Saved& operator=(Saved&& other) noexcept;
  ~Saved();

  bool defined() const { return tensor_.defined() || packed_ || remade_; }
  /// The tensor as it was; raises if its version changed. A saved output gets its history back: `node` made it, by
  /// default the node that is running.
  Tensor operator()(Node* node = nullptr) const;

  /// How many have been made in this thread: tells whether a lambda holds any (see LambdaNode).
  ONDOL_THREAD_LOCAL uint64_t made = 0;
  /// Set while saved_tensors_hooks are active: packs a tensor into an object and unpacks it again.
  struct Hooks {
    std::function<std::shared_ptr<void>(const Tensor&)> pack;
    std::function<Tensor(const std::shared_ptr<void>&)> unpack;
  };
  static std::shared_ptr<Hooks>& active_hooks();
  /// What the pack hook made of a tensor, and how to undo it.
  struct Packed : Counted {
    std::shared_ptr<Hooks> hooks;
    std::shared_ptr<void> object;
  };
  struct Remade;

 private:
  void keep(const Tensor& tensor);

  Tensor tensor_;
  Ref<Packed> packed_;
  Ref<Remade> remade_;
  uint32_t version_ = 0;
  uint32_t output_index_ = 0;
  bool is_output_ = false;
  bool is_leaf_ = false;
};

/// While it lives, an operation computes what will be written over `target`: a Saved of the target keeps a copy of it.
class InPlaceTarget {
 public:
  explicit InPlaceTarget(const Tensor& target) : outer_(std::exchange(current_, target.impl())) {}
  ~InPlaceTarget() { current_ = outer_; }
  InPlaceTarget(const InPlaceTarget&) = delete;
  static bool is(const Tensor& tensor) { return current_ && tensor.impl() == current_; }

 private:
  TensorImpl* outer_;
  static inline thread_local TensorImpl* current_ = nullptr;
};

inline void dispose(Saved::Packed* packed) { delete packed; }

/// Makes the output of a node, cheap to compute, from its input, which the node keeps for its own derivative.
struct Recipe {
  Saved input;
  Tensor (*make)(const Tensor& input);
};
/// A tensor kept by its recipe and its place in the graph.
struct Saved::Remade : Counted {
  Remade(Recipe recipe, Ref<Node> node) : recipe(std::move(recipe)), node(std::move(node)) {}
  Recipe recipe;
  Ref<Node> node;
};
void dispose(Saved::Remade* remade);

inline Saved save(const Tensor& tensor) { return Saved(tensor); }
inline Saved save_output(const Tensor& tensor, uint32_t index = 0) { return Saved::output(tensor, index); }

/// Several of them; unlike a plain vector it counts as saved when a lambda that holds it moves (see LambdaNode).
class SavedList {
 public:
  explicit SavedList(const std::vector<Tensor>& tensors) : list_(tensors.begin(), tensors.end()) { ++Saved::made; }
  SavedList(SavedList&& other) noexcept : list_(std::move(other.list_)) { ++Saved::made; }
  SavedList(const SavedList& other) : list_(other.list_) { ++Saved::made; }
  Tensor operator[](size_t i) const { return list_[i](); }
  size_t size() const { return list_.size(); }

 private:
  std::vector<Saved> list_;
};
inline SavedList save(const std::vector<Tensor>& tensors) { return SavedList(tensors); }

/// Whether the node that is running may write its own result over this gradient, which it has received: nobody else
/// has it, nor will be shown it.
bool may_overwrite(const Tensor& gradient);

/// The node that is running on this thread: a saved output gets it as history again.
Node* current_node();
void set_current_node(Node* node);

/// A node whose derivative is a lambda: (gradient, Gradients&) with one output, (span of gradients, Gradients&) with
/// several.
template <class Derivative>
class LambdaNode : public Node {
 public:
  LambdaNode(const char* name, Derivative&& derivative) : name_(name) {
    uint64_t before = Saved::made;
    derivative_.emplace(std::move(derivative));
    holds_saved_ = Saved::made != before;
  }
  std::string name() const override { return name_; }
  void apply(std::span<const Tensor> incoming, Gradients& outgoing) override {
    if (!derivative_) raise_released();
    if constexpr (std::is_invocable_v<Derivative&, std::span<const Tensor>, Gradients&>) {
      (*derivative_)(incoming, outgoing);
    } else {
      if (incoming[0].defined()) (*derivative_)(incoming[0], outgoing);
    }
  }
  void release() override {
    if (holds_saved_) derivative_.reset();
  }

 private:
  [[noreturn]] static void raise_released();

  const char* name_;
  std::optional<Derivative> derivative_;
  bool holds_saved_;
};

/// One whose output others may make again, see Saved::or_remade.
template <class Derivative>
class RemakingNode final : public LambdaNode<Derivative> {
 public:
  RemakingNode(const char* name, Derivative&& derivative, Recipe recipe)
      : LambdaNode<Derivative>(name, std::move(derivative)), recipe_(std::move(recipe)) {}
  const Recipe* recipe() const override { return recipe_ ? &*recipe_ : nullptr; }
  void release() override {
    recipe_.reset();
    LambdaNode<Derivative>::release();
  }

 private:
  std::optional<Recipe> recipe_;
};

[[noreturn]] void raise_second_backward();
template <class Derivative>
void LambdaNode<Derivative>::raise_released() {
  raise_second_backward();
}

/// Records that `output` was made from `inputs`, with the derivative given. Call it only when
/// needs_gradient(inputs...).
template <class Derivative>
Ref<Node> record(const char* name, Tensor& output, std::initializer_list<Tensor> inputs, Derivative derivative) {
  Ref<Node> node(new LambdaNode<Derivative>(name, std::move(derivative)));
  node->edges.reserve(inputs.size());
  for (const Tensor& input : inputs) node->edges.push_back(gradient_edge(input));
  node->set_history(output);
  return node;
}
template <class Derivative>
Ref<Node> record(const char* name, std::initializer_list<std::reference_wrapper<Tensor>> outputs,
                 const std::vector<Tensor>& inputs, Derivative derivative) {
  Ref<Node> node(new LambdaNode<Derivative>(name, std::move(derivative)));
  node->edges.reserve(inputs.size());
  for (const Tensor& input : inputs) node->edges.push_back(gradient_edge(input));
  for (Tensor& output : outputs) node->set_history(output);
  return node;
}
template <class Derivative>
Ref<Node> record(const char* name, std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                 Derivative derivative) {
  Ref<Node> node(new LambdaNode<Derivative>(name, std::move(derivative)));
  node->edges.reserve(inputs.size());
  for (const Tensor& input : inputs) node->edges.push_back(gradient_edge(input));
  for (Tensor& output : outputs) node->set_history(output);
  return node;
}

/// The same for y = f(x) that can be made again from x.
template <class Derivative>
Ref<Node> record_with_recipe(const char* name, Tensor& output, const Tensor& input, Recipe recipe,
                             Derivative derivative) {
  Ref<Node> node(new RemakingNode<Derivative>(name, std::move(derivative), std::move(recipe)));
  node->edges.push_back(gradient_edge(input));
  node->set_history(output);
  return node;
}

/// For an operation that has no derivative: its result requires grad, and backward raises.
void record_not_differentiable(const char* operation, Tensor& output, std::initializer_list<Tensor> inputs);

/// What autograd keeps of a tensor beside its place in the graph.
struct AutogradState {
  Tensor grad;
  Node* accumulator = nullptr;  // the living AccumulateGrad node of a leaf, not owned
  bool retains_grad = false;
  std::optional<Dtype> grad_dtype;  // of a leaf: what its gradient is converted to, by default its own dtype
  bool any_grad_dtype = false;
  std::vector<Node::TensorHook> hooks;                    // of a leaf: run before accumulation
  std::vector<std::shared_ptr<GradientHook>> post_hooks;  // of a leaf: run after accumulation, with the tensor itself
  void* backward_hooks = nullptr;                         // Python's OrderedDict of hooks, owned
  static inline void (*release_hooks)(void*) = nullptr;
  ~AutogradState() {
    if (backward_hooks && release_hooks) release_hooks(backward_hooks);
  }
  std::string name;
};
AutogradState& autograd_state(const Tensor& tensor);

/// Adds the gradient of a leaf to its .grad.
class AccumulateGrad final : public Node {
 public:
  explicit AccumulateGrad(const Tensor& leaf);
  ~AccumulateGrad() override;
  std::string name() const override { return "AccumulateGrad"; }
  void apply(std::span<const Tensor> incoming, Gradients& outgoing) override;
  std::vector<TensorHook>& tensor_hooks() override { return autograd_state(variable).hooks; }
  Tensor variable;
};

/// Makes `self`, changed in place, the result of `result`'s history: same place in the graph, and that of its base if
/// it is a view.
void rebase_history(Tensor& self, const Tensor& result);

/// Raises unless the elements of `self` may be written: not read-only memory, nor one place for several elements.
void check_writable(const Tensor& self, const char* operation);
/// Raises PyTorch's errors for in-place changes of leaves that require grad, inference tensors, read-only memory.
void check_in_place(const Tensor& self, const char* operation);

}  // namespace ondol
