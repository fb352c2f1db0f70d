#pragma once

#include "base/thread_local.h"

namespace ondol {

/// Per thread: whether operations are recorded, and whether new tensors are for inference only.
struct GradMode {
  static bool enabled() { return enabled_ && !inference_; }
  static bool raw() { return enabled_; }
  static void set(bool on) { enabled_ = on; }
  static bool inference() { return inference_; }
  static void set_inference(bool on) { inference_ = on; }

 private:
  ONDOL_THREAD_LOCAL bool enabled_ = true;
  ONDOL_THREAD_LOCAL bool inference_ = false;
};

/// Sets the grad mode for as long as it lives.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool on) : before_(GradMode::raw()) { GradMode::set(on); }
  ~GradModeGuard() { GradMode::set(before_); }
  GradModeGuard(const GradModeGuard&) = delete;

 private:
  bool before_;
};

struct NoGrad : GradModeGuard {
  NoGrad() : GradModeGuard(false) {}
};

}  // namespace ondol
