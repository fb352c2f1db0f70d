#pragma once

#include "base/parallel.h"
#include "kernels/cpu/convolution.h"
#include "kernels/cpu/convolution_gather.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {

// The parts of the convolution family, one file each; instantiated there for float and double.

template <class T>
void convolution_forward(const ConvolutionShape&, const T* x, const T* w, const T* bias, T* y,
                         const ConvolutionEpilogue<T>* epilogue);
template <class T>
void convolution_backward_input(const ConvolutionShape&, ResultGradient<T> gy, const T* w, const T* bias, T* gx);
template <class T>
void convolution_backward_weight(const ConvolutionShape&, const T* x, ResultGradient<T> gy, T* gw);

/// The same for one input channel per group, where there is no matrix product to speak of.
template <class T>
void depthwise_forward(const ConvolutionShape&, const T* x, const T* w, const T* bias, T* y,
                       const ConvolutionEpilogue<T>* epilogue);
template <class T>
void depthwise_backward_input(const ConvolutionShape&, const T* gy, const T* w, const T* bias, T* gx);
template <class T>
void depthwise_backward_weight(const ConvolutionShape&, const T* x, const T* gy, T* gw);

/// The same for 3 x 3 kernels and stride 1 where Winograd's algorithm is faster: for so many tiles of 4 x 4 results,
/// which make up for the transform of the kernel.
inline constexpr int64_t winograd_least_tiles = 8, winograd_least_tiles_of_weight = 4;
bool winograd_gains(const ConvolutionShape& s, int64_t least_tiles = winograd_least_tiles);
void winograd_forward(const ConvolutionShape&, const float* x, const float* w, const float* bias, float* y,
                      const ConvolutionEpilogue<float>* epilogue);
void winograd_backward_input(const ConvolutionShape&, ResultGradient<float> gy, const float* w, const float* bias,
                             float* gx);
void winograd_backward_weight(const ConvolutionShape&, const float* x, ResultGradient<float> gy, float* gw);

/// gw, which may be the first slice, = the sum of the slices that threads made, [slices, size], in their order.
template <class T>
void add_up_slices(const T* slices, int64_t count, int64_t size, T* gw) {
  parallel_for(size, grain_for(32768, count), [&](int64_t begin, int64_t end) {
    constexpr int together = 4;  // vectors: a run of memory in each slice, and that many chains of additions
    int64_t i = begin;
    for (; i + together * lanes<T> <= end; i += together * lanes<T>) {
      Vec<T> sums[together] = {};
      for (int64_t slice = 0; slice < count; slice++)
        for (int v = 0; v < together; v++) sums[v] += load(slices + slice * size + i + v * lanes<T>);
      for (int v = 0; v < together; v++) store(gw + i + v * lanes<T>, sums[v]);
    }
    for (; i < end; i++) {
      T sum = 0;
      for (int64_t slice = 0; slice < count; slice++) sum += slices[slice * size + i];
      gw[i] = sum;
    }
  });
}

inline bool is_depthwise(const ConvolutionShape& s) { return s.groups > 1 && s.channels_in == s.groups; }

inline int64_t volume(const int64_t size[3]) { return size[0] * size[1] * size[2]; }

/// The reading of x by the output points, in the order of the weight: channel by channel.
inline PatchGather input_gather(const ConvolutionShape& s, int64_t* offsets) {
  PatchGather gather = {s.batch, s.channels_in, {}, {}, {}, volume(s.kernel), offsets, volume(s.kernel), 1};
  for (int axis = 0; axis < 3; axis++) {
    gather.source[axis] = s.input[axis], gather.points[axis] = s.output[axis], gather.step[axis] = s.stride[axis];
  }
  for (int64_t d = 0; d < s.kernel[0]; d++) {
    for (int64_t h = 0; h < s.kernel[1]; h++) {
      for (int64_t w = 0; w < s.kernel[2]; w++) {
        *offsets++ = d * s.dilation[0] - s.padding[0];
        *offsets++ = h * s.dilation[1] - s.padding[1];
        *offsets++ = w * s.dilation[2] - s.padding[2];
      }
    }
  }
  return gather;
}

/// The taps that contribute to the input points of one residue class modulo the stride: input = point * stride +
/// residue on each axis. Such a tap k reads gy at (input + padding - k * dilation) / stride, which is point + offset.
/// The reading is tap by tap.
struct ResidueClass {
  PatchGather gather;
  int64_t residue[3];
  Scratch<int64_t> offsets;  // [taps, 3]
  Scratch<int64_t> tap;      // [taps]: position in the kernel

  ResidueClass(const ConvolutionShape& s, int64_t d, int64_t h, int64_t w)
      : residue{d, h, w}, offsets(3 * volume(s.kernel)), tap(volume(s.kernel)) {
    gather = {s.batch, s.channels_out, {}, {}, {1, 1, 1}, 0, offsets.get(), 1, s.channels_out / s.groups};
    for (int axis = 0; axis < 3; axis++) {
      gather.source[axis] = s.output[axis];
      gather.points[axis] =
          residue[axis] < s.input[axis] ? (s.input[axis] - residue[axis] + s.stride[axis] - 1) / s.stride[axis] : 0;
    }
    for (int64_t k = 0; k < volume(s.kernel); k++) {
      const int64_t at[3] = {k / (s.kernel[1] * s.kernel[2]), k / s.kernel[2] % s.kernel[1], k % s.kernel[2]};
      int64_t* offset = offsets.get() + 3 * gather.taps;
      bool reaches = true;
      for (int axis = 0; axis < 3; axis++) {
        const int64_t distance = residue[axis] + s.padding[axis] - at[axis] * s.dilation[axis];
        reaches &= distance % s.stride[axis] == 0;
        offset[axis] = distance / s.stride[axis];
      }
      if (reaches) tap.get()[gather.taps++] = k;
    }
  }
};

/// Calls f(ResidueClass) for each class that has points.
template <class F>
inline void for_each_residue_class(const ConvolutionShape& s, F&& f) {
  for (int64_t d = 0; d < s.stride[0] && d < s.input[0]; d++) {
    for (int64_t h = 0; h < s.stride[1] && h < s.input[1]; h++) {
      for (int64_t w = 0; w < s.stride[2] && w < s.input[2]; w++) f(ResidueClass(s, d, h, w));
    }
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
