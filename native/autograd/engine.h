#pragma once

#include <vector>

#include "autograd/node.h"

namespace ondol {

struct BackwardOptions {
  bool keep_graph = false;
  bool create_graph = false;
  bool accumulate = true;  // into .grad of the leaves; otherwise the gradients of `inputs` are returned
  bool allow_unused = false;
};

/// Runs the graph backward from `roots` with the given gradients (one each, defined). With `inputs`, only what leads to
/// them runs; their gradients are returned (accumulate == false) or accumulated.
std::vector<Tensor> run_backward(const std::vector<Edge>& roots, std::vector<Tensor> gradients,
                                 const std::vector<Edge>& inputs, const BackwardOptions& options);

/// The number of the pass that is running on this thread, -1 outside of one; and whether it will run a node (or capture
/// its gradient).
int64_t current_pass();
bool will_run(Node& node);
/// Whether a node of the running pass, which none has reached yet, will get its gradient along one edge and be the only
/// one to see it: no hook, no capture, no graph of the pass, no search for NaN. Then what is handed to it along that
/// edge may be something that stands for the gradient.
bool alone_sees_gradient(Node& node);

/// `gradient` summed over the dimensions that broadcasting added, and cast: what a tensor of that shape and dtype
/// accumulates.
Tensor fit_gradient(const Tensor& gradient, const Dims& sizes, Dtype dtype, const char* node);

/// Whether nodes remember the stack of their forward call and NaN raises.
struct AnomalyMode {
  static inline bool enabled = false;
  static inline bool check_nan = true;
  /// Called with the node whose derivative failed, to print where the forward call was.
  static inline void (*report)(Node& node) = nullptr;
  /// Called for each new node, to store the stack of the forward call.
  static inline void (*remember)(Node& node) = nullptr;
};

}  // namespace ondol
