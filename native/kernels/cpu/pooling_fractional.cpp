// Maxima of windows that begin at arbitrary places.

#include "kernels/cpu/pooling_row_maxima.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

template <class T>
void fractional_max_forward(const PoolingShape& s, const int64_t* const* starts, const T* x, T* y, int64_t* indices) {
  const int64_t in = plane_size(s.input), out = plane_size(s.output), rows = s.output[0] * s.output[1];
  parallel_for(s.planes, pooling_grain(rows * (16 + s.input[2])), [&](int64_t begin, int64_t end) {
    const RowMaxima<T> maxima(s);
    for (int64_t plane = begin; plane < end; ++plane)
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t d = starts[0][plane * s.output[0] + row / s.output[1]];
        const int64_t h = starts[1][plane * s.output[1] + row % s.output[1]];
        const int64_t from = (d * s.input[1] + h) * s.input[2], to = plane * out + row * s.output[2];
        maxima.run(x + plane * in + from, from, starts[2] + plane * s.output[2], y + to, indices + to);
      }
  });
}

}  // namespace

template <class T>
void fill_fractional_pooling(PoolingFunctions<T>& functions) {
  functions.fractional_max_forward = fractional_max_forward<T>;
}

template void fill_fractional_pooling(PoolingFunctions<float>&);
template void fill_fractional_pooling(PoolingFunctions<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
