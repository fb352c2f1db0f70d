#pragma once

#include "kernels/cpu/convolution.h"
#include "kernels/cpu/normalization_lanes.h"

// The epilogue of a convolution, bit for bit what batch norm in evaluation (y * scale + shift, in one multiply-add
// where there is one), relu (low 0, high infinity) and hardtanh make of the stored results. Without it each of them
// would read and write all of memory once more.

namespace ondol::kernel::ONDOL_LEVEL {

/// An epilogue for one channel, or for a vector of channels: Factor is T or Vec<T>.
template <class T, class Factor>
struct Finish {
  bool affine;
  Factor scale, shift;
  T low, high;

  Vec<T> operator()(Vec<T> y) const {
    if (affine) y = y * scale + shift;
    return at_most(at_least(y, low), high);
  }
};

template <class T>
inline Finish<T, T> finish_of_channel(const ConvolutionEpilogue<T>& e, int64_t channel) {
  return {e.scale != nullptr, e.scale ? e.scale[channel] : T(1), e.scale ? e.shift[channel] : T(0), e.low, e.high};
}

/// For results of which each lane is another channel.
template <class T>
inline Finish<T, Vec<T>> finish_of_channels(const ConvolutionEpilogue<T>& e, int64_t first) {
  return {e.scale != nullptr, e.scale ? load(e.scale + first) : Vec<T>{}, e.scale ? load(e.shift + first) : Vec<T>{},
          e.low, e.high};
}

/// To n results of a channel where they lie. Nothing if there is no epilogue.
template <class T>
inline void apply_epilogue(const ConvolutionEpilogue<T>* epilogue, int64_t channel, int64_t n, T* y) {
  if (!epilogue) return;
  const Finish<T, T> finish = finish_of_channel(*epilogue, channel);
  for_each_vector<T>(n, [&](int64_t i, auto part) { part.write(y + i, finish(part.read(y + i, T(0)))); });
}

}  // namespace ondol::kernel::ONDOL_LEVEL
