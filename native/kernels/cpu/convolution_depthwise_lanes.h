#pragma once

#include "kernels/cpu/convolution_epilogue.h"
#include "kernels/cpu/convolution_frame.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/division.h"
#include "kernels/cpu/planes_and_lanes.h"
#include "kernels/cpu/scratch.h"

// Depthwise convolutions of small images: a vector holds one point of as many channels as it has lanes, so that rows of
// seven points fill it as well as long ones, and any stride reads whole vectors. Planes are transposed on the way in
// and out, within the first-level cache.

namespace ondol::kernel::ONDOL_LEVEL {

/// What a depthwise convolution computes of one plane, from a frame with a border of zeros. The targets fall into
/// classes, within each of which every target has the same taps: one for the forward convolution, one for each residue
/// modulo the stride for the gradient of the input.
class DepthwisePlan {
 public:
  struct Class {
    int64_t points[3];
    int64_t first_tap, last_tap;
    int64_t first, step[3];  // where its targets are: first + the sum of point * step
  };
  static constexpr int64_t most_classes = 4;

  enum class Target { Output, Input };

  DepthwisePlan(const ConvolutionShape& s, Target target)
      : target_size_(volume(target == Target::Output ? s.output : s.input)),
        offsets_(3 * volume(s.kernel)),
        kernel_position_(volume(s.kernel)) {
    if (target == Target::Output)
      add_output_class(s);
    else
      add_input_classes(s);
  }

  const PatchGather& gather() const { return gather_; }
  int64_t taps() const { return gather_.taps; }
  int64_t kernel_position(int64_t tap) const { return kernel_position_.get()[tap]; }
  int64_t source_size() const { return gather_.source_size(); }
  int64_t target_size() const { return target_size_; }
  const Class* begin() const { return classes_; }
  const Class* end() const { return classes_ + class_count_; }

 private:
  void add_output_class(const ConvolutionShape& s) {
    gather_ = input_gather(s, offsets_.get());
    for (int64_t k = 0; k < taps(); k++) kernel_position_.get()[k] = k;
    classes_[class_count_++] = {
        {s.output[0], s.output[1], s.output[2]}, 0, taps(), 0, {s.output[1] * s.output[2], s.output[2], 1}};
  }

  void add_input_classes(const ConvolutionShape& s) {
    gather_ = {s.batch, s.channels_out, {s.output[0], s.output[1], s.output[2]}, {}, {1, 1, 1}, 0, offsets_.get()};
    for_each_residue_class(s, [&](const ResidueClass& residue) {
      const int64_t *points = residue.gather.points, *at = residue.residue, first_tap = taps();
      for (int axis = 0; axis < 3; axis++)
        gather_.points[axis] = gather_.points[axis] > points[axis] ? gather_.points[axis] : points[axis];
      for (int64_t k = 0; k < residue.gather.taps; k++, gather_.taps++) {
        kernel_position_.get()[taps()] = residue.tap.get()[k];
        for (int axis = 0; axis < 3; axis++) offsets_.get()[3 * taps() + axis] = residue.gather.offsets[3 * k + axis];
      }
      classes_[class_count_++] = {{points[0], points[1], points[2]},
                                  first_tap,
                                  taps(),
                                  (at[0] * s.input[1] + at[1]) * s.input[2] + at[2],
                                  {s.stride[0] * s.input[1] * s.input[2], s.stride[1] * s.input[2], s.stride[2]}};
    });
  }

  PatchGather gather_ = {};
  int64_t target_size_;
  Scratch<int64_t> offsets_, kernel_position_;
  Class classes_[most_classes];
  int class_count_ = 0;
};

/// The work of a plan on the channels of a vector.
template <class T>
class DepthwiseLanes {
 public:
  explicit DepthwiseLanes(const DepthwisePlan& plan)
      : plan_(plan), frame_(plan.gather(), 0), place_(plan.source_size()), tap_(plan.taps()) {
    const int64_t unread = frame_.size();
    for (int64_t i = 0; i < plan.source_size(); i++) place_.get()[i] = unread;
    frame_.for_each_run([&](int64_t from, int64_t to, int64_t n) {
      for (int64_t i = 0; i < n; i++) place_.get()[from + i * plan.gather().step[2]] = to + i;
    });
    for (int64_t k = 0; k < plan.taps(); k++) tap_.get()[k] = frame_.tap(k);
  }

  /// Vectors of a frame: one more than it has places, for the elements that no target reads.
  int64_t frame_size() const { return frame_.size() + 1; }

  void clear(Vec<T>* frame) const { frame_.fill(Vec<T>{}, frame); }
  void copy_in(const T* planes, int64_t count, Vec<T>* frame) const {
    const int64_t size = plan_.source_size(), *place = place_.get();
    planes_into_lanes(planes, size, count, size, [=](int64_t i, Vec<T> v) { frame[place[i]] = v; });
  }

  /// targets = bias + the sum over taps of weights[tap] * what the tap reads.
  void product(const Vec<T>* frame, const Vec<T>* weights, Vec<T> bias, Vec<T>* targets) const {
    for (const auto& c : plan_) {
      int64_t tap = c.first_tap;
      tap += add_some_taps<true>(c, tap, frame, weights, bias, targets);
      while (tap < c.last_tap) tap += add_some_taps<false>(c, tap, frame, weights, bias, targets);
    }
  }

  /// Adds to sums[tap] the products of the gradients of the targets with what the tap reads. One class only.
  void add_weight_gradient(const Vec<T>* frame, const Vec<T>* gradients, Vec<T>* sums) const {
    for (int64_t tap = 0; tap < plan_.taps();) {
      const int64_t left = plan_.taps() - tap;
      if (left >= 9)
        tap += gradients_of<9>(tap, frame, gradients, sums);
      else if (left >= 4)
        tap += gradients_of<4>(tap, frame, gradients, sums);
      else
        tap += gradients_of<1>(tap, frame, gradients, sums);
    }
  }

 private:
  /// As many taps as there are registers for their weights. The first ones start from the bias, others from what is
  /// there.
  template <bool first>
  int64_t add_some_taps(const DepthwisePlan::Class& c, int64_t tap, const Vec<T>* frame, const Vec<T>* weights,
                        Vec<T> bias, Vec<T>* targets) const {
    const int64_t left = c.last_tap - tap;
    const auto add = left >= 9   ? &DepthwiseLanes::add_taps<9, first>
                     : left >= 4 ? &DepthwiseLanes::add_taps<4, first>
                     : left >= 2 ? &DepthwiseLanes::add_taps<2, first>
                     : left == 1 ? &DepthwiseLanes::add_taps<1, first>
                                 : &DepthwiseLanes::add_taps<0, first>;
    return (this->*add)(c, tap, frame, weights, bias, targets);
  }
  template <int taps, bool first>
  int64_t add_taps(const DepthwisePlan::Class& c, int64_t tap, const Vec<T>* frame, const Vec<T>* weights, Vec<T> bias,
                   Vec<T>* targets) const {
    Vec<T> weight[taps + 1];
#pragma GCC unroll 16
    for (int k = 0; k < taps; k++) weight[k] = weights[tap + k];
    for (int64_t d = 0; d < c.points[0]; d++) {
      for (int64_t h = 0; h < c.points[1]; h++) {
        const Vec<T>* at[taps + 1];
#pragma GCC unroll 16
        for (int k = 0; k < taps; k++) at[k] = frame + frame_.point_row(d, h) + tap_.get()[tap + k];
        Vec<T>* to = targets + c.first + d * c.step[0] + h * c.step[1];
        for (int64_t w = 0; w < c.points[2]; w++, to += c.step[2]) {  // each point a chain: many are under way at once
          Vec<T> sum = first ? bias : *to;
#pragma GCC unroll 16
          for (int k = 0; k < taps; k++) sum += weight[k] * at[k][w];
          *to = sum;
        }
      }
    }
    return taps;
  }

  /// Each sum of one image is a chain of its own, so that errors do not grow with the batch.
  template <int taps>
  int64_t gradients_of(int64_t first, const Vec<T>* frame, const Vec<T>* gradients, Vec<T>* sums) const {
    const int64_t* points = plan_.gather().points;
    Vec<T> sum[taps] = {};
    for (int64_t d = 0; d < points[0]; d++) {
      for (int64_t h = 0; h < points[1]; h++) {
        const Vec<T>* at[taps];
#pragma GCC unroll 16
        for (int k = 0; k < taps; k++) at[k] = frame + frame_.point_row(d, h) + tap_.get()[first + k];
        for (int64_t w = 0; w < points[2]; w++) {
          const Vec<T> gradient = *gradients++;
#pragma GCC unroll 16
          for (int k = 0; k < taps; k++) sum[k] += gradient * at[k][w];
        }
      }
    }
    for (int k = 0; k < taps; k++) sums[first + k] += sum[k];
    return taps;
  }

  const DepthwisePlan& plan_;
  PlaneFrame frame_;
  Scratch<int64_t> place_, tap_;
};

/// The planes of `target` from those of `source`, of which there are as many.
template <class T>
void depthwise_product_by_lanes(const DepthwisePlan& plan, const ConvolutionShape& s, const T* source, const T* w,
                                const T* bias, T* target, const ConvolutionEpilogue<T>* epilogue) {
  constexpr int64_t L = lanes<T>;
  const DepthwiseLanes<T> work(plan);
  const int64_t channels = s.channels_in, taps = plan.taps(), kernel = volume(s.kernel);
  const int64_t in = plan.source_size(), out = plan.target_size();
  parallel_for((channels + L - 1) / L * s.batch, grain_for(32768, L, out, taps + 4), [&](int64_t begin, int64_t end) {
    Scratch<Vec<T>> frame(work.frame_size()), targets(out), by_position(kernel), weights(taps);
    work.clear(frame.get());
    Vec<T> biases = {};
    for (int64_t i = begin; i < end; i++) {
      const int64_t first = i / s.batch * L, image = i % s.batch, count = smaller_of(L, channels - first);
      if (i == begin || image == 0) {
        if (bias) biases = load_up_to(bias + first, count);
        planes_into_lanes(w + first * kernel, kernel, count, kernel,
                          [&](int64_t k, Vec<T> v) { by_position.get()[k] = v; });
        for (int64_t k = 0; k < taps; k++) weights.get()[k] = by_position.get()[plan.kernel_position(k)];
      }
      work.copy_in(source + (image * channels + first) * in, count, frame.get());
      work.product(frame.get(), weights.get(), biases, targets.get());
      T* to = target + (image * channels + first) * out;
      lanes_into_planes(targets.get(), out, to, out, count);
      for (int64_t j = 0; j < count; j++) apply_epilogue(epilogue, first + j, out, to + j * out);
    }
  });
}

template <class T>
void depthwise_weight_gradient_by_lanes(const DepthwisePlan& plan, const ConvolutionShape& s, const T* x, const T* gy,
                                        T* gw) {
  constexpr int64_t L = lanes<T>;
  const DepthwiseLanes<T> work(plan);
  const int64_t channels = s.channels_in, taps = plan.taps(), in = plan.source_size(), out = plan.target_size();
  parallel_for((channels + L - 1) / L, grain_for(32768, L, s.batch, out, taps + 4), [&](int64_t begin, int64_t end) {
    Scratch<Vec<T>> frame(work.frame_size()), gradients(out), sums(taps);
    work.clear(frame.get());
    for (int64_t first = begin * L; first < end * L && first < channels; first += L) {
      const int64_t count = smaller_of(L, channels - first);
      for (int64_t k = 0; k < taps; k++) sums.get()[k] = Vec<T>{};
      for (int64_t image = 0; image < s.batch; image++) {
        work.copy_in(x + (image * channels + first) * in, count, frame.get());
        planes_into_lanes(gy + (image * channels + first) * out, out, count, out,
                          [&](int64_t i, Vec<T> v) { gradients.get()[i] = v; });
        work.add_weight_gradient(frame.get(), gradients.get(), sums.get());
      }
      lanes_into_planes(sums.get(), taps, gw + first * taps, taps, count);
    }
  });
}

}  // namespace ondol::kernel::ONDOL_LEVEL
