#include "kernels/cpu/convolution.h"

#include "base/parallel.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/division.h"
#include "kernels/cpu/pooling_squares.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// Sums of so many elements stay in T, those of more are added up in double.
inline constexpr int64_t chain = 1024;

template <class T>
double sum_of(const T* x, int64_t n) {
  Vec<T> partial[2] = {};
  int64_t i = 0;
  for (; i + 2 * lanes<T> <= n; i += 2 * lanes<T>) {
    partial[0] += load(x + i);
    partial[1] += load(x + i + lanes<T>);
  }
  double sum = 0;
  for (int lane = 0; lane < lanes<T>; lane++) sum += double(partial[0][lane]) + double(partial[1][lane]);
  for (; i < n; i++) sum += x[i];
  return sum;
}

template <class T>
void backward_bias(const ConvolutionShape& s, ResultGradient<T> gy, T* gb) {
  const int64_t channels = s.channels_out, spatial = volume(s.output), height = s.output[1], width = s.output[2];
  const int64_t squares = (height / 2) * (width / 2), all_squares = s.batch * channels * squares;
  parallel_for(channels, grain_for(32768, s.batch, spatial), [&](int64_t begin, int64_t end) {
    Scratch<double> sums(end - begin);
    Scratch<T> spread(gy.places ? spatial : 0);
    for (int64_t i = 0; i < end - begin; i++) sums.get()[i] = 0;
    for (int64_t image = 0; image < s.batch; image++)  // in the order of memory
      for (int64_t channel = begin; channel < end; channel++) {
        const T* plane = gy.data + (image * channels + channel) * spatial;
        if (gy.places) {  // with the bits of a gradient that was spread before
          const int64_t at = (image * channels + channel) * squares;
          spread_squares(gy.data + at, gy.places + at, all_squares - at, height, width, spread.get());
          plane = spread.get();
        }
        double& sum = sums.get()[channel - begin];
        for (int64_t i = 0; i < spatial; i += chain) sum += sum_of(plane + i, smaller_of(chain, spatial - i));
      }
    for (int64_t channel = begin; channel < end; channel++) gb[channel] = static_cast<T>(sums.get()[channel - begin]);
  });
}

template <class T>
bool can_pool(const ConvolutionShape& s) {
  return sizeof(T) == sizeof(float) && winograd_gains(s);
}

template <class T>
void fill_functions(ConvolutionFunctions<T>& functions) {
  functions = {convolution_forward<T>, can_pool<T>, convolution_backward_input<T>, convolution_backward_weight<T>,
               backward_bias<T>};
}

}  // namespace

void fill(ConvolutionKernels& kernels) {
  fill_functions(kernels.float32);
  fill_functions(kernels.float64);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
