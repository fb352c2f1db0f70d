#include "kernels/cpu/convolution.h"

#include "base/parallel.h"
#include "kernels/cpu/convolution_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

template <class T>
void backward_bias(int64_t batch, int64_t channels, int64_t spatial, const T* g, T* gb) {
  parallel_for(channels, grain_for(32768, batch, spatial), [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; channel++) {
      double sum = 0;
      for (int64_t image = 0; image < batch; image++) {
        const T* plane = g + (image * channels + channel) * spatial;
        Vec<T> partial{};  // one plane's sums stay in T, those of planes in double
        int64_t i = 0;
        for (; i + lanes<T> <= spatial; i += lanes<T>) partial += load(plane + i);
        for (int lane = 0; lane < lanes<T>; lane++) sum += partial[lane];
        for (; i < spatial; i++) sum += plane[i];
      }
      gb[channel] = static_cast<T>(sum);
    }
  });
}

template <class T>
void fill_functions(ConvolutionFunctions<T>& functions) {
  functions = {convolution_forward<T>, convolution_backward_input<T>, convolution_backward_weight<T>, backward_bias<T>};
}

}  // namespace

void fill(ConvolutionKernels& kernels) {
  fill_functions(kernels.float32);
  fill_functions(kernels.float64);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
