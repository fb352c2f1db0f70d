// Pooling of integers: rare, so loops over each window.

#include <algorithm>

#include "ops/pooling.h"

namespace ondol {
namespace {

/// Calls f(plane, output position, first positions and ends of the window along each axis, before they are clipped).
template <class F>
void for_windows(const kernel::PoolingShape& s, F f) {
  const int64_t outputs = s.output[0] * s.output[1] * s.output[2];
  for (int64_t plane = 0; plane < s.planes; ++plane)
    for (int64_t y = 0; y < outputs; ++y) {
      const int64_t at[3] = {y / (s.output[1] * s.output[2]), y / s.output[2] % s.output[1], y % s.output[2]};
      int64_t begin[3], end[3];
      for (int axis = 0; axis < 3; ++axis) {
        begin[axis] = at[axis] * s.stride[axis] - s.padding[axis];
        end[axis] = begin[axis] + (s.kernel[axis] - 1) * s.dilation[axis] + 1;
      }
      f(plane, plane * outputs + y, begin, end);
    }
}

/// Calls f(position in the input plane) for the positions of a window that lie in the input.
template <class F>
void for_positions(const kernel::PoolingShape& s, const int64_t* begin, const int64_t* end, F f) {
  for (int64_t d = begin[0]; d < std::min(end[0], s.input[0]); d += s.dilation[0])
    for (int64_t h = begin[1]; d >= 0 && h < std::min(end[1], s.input[1]); h += s.dilation[1])
      for (int64_t w = begin[2]; h >= 0 && w < std::min(end[2], s.input[2]); w += s.dilation[2])
        if (w >= 0) f((d * s.input[1] + h) * s.input[2] + w);
}

}  // namespace

void max_pool_integers(const kernel::PoolingShape& s, const int64_t* x, int64_t* y, int64_t* indices) {
  const int64_t plane_size = s.input[0] * s.input[1] * s.input[2];
  for_windows(s, [&](int64_t plane, int64_t out, const int64_t* begin, const int64_t* end) {
    const int64_t* source = x + plane * plane_size;
    int64_t best = -1;
    for_positions(s, begin, end, [&](int64_t at) {
      if (best < 0 || source[at] > source[best]) best = at;
    });
    y[out] = best < 0 ? INT64_MIN : source[best];
    if (indices) indices[out] = std::max<int64_t>(best, 0);
  });
}

void average_pool_integers(const kernel::PoolingShape& s, bool count_include_pad, int64_t divisor_override,
                           const int64_t* x, int64_t* y) {
  const int64_t plane_size = s.input[0] * s.input[1] * s.input[2];
  for_windows(s, [&](int64_t plane, int64_t out, const int64_t* begin, const int64_t* end) {
    uint64_t sum = 0;
    int64_t inside = 0, padded = 1;
    for_positions(s, begin, end, [&](int64_t at) {
      sum += static_cast<uint64_t>(x[plane * plane_size + at]);
      ++inside;
    });
    for (int axis = 0; axis < 3; ++axis) padded *= std::min(end[axis], s.input[axis] + s.padding[axis]) - begin[axis];
    const int64_t divisor = divisor_override ? divisor_override : count_include_pad ? padded : inside;
    y[out] = inside == 0 || divisor == 0 ? 0 : static_cast<int64_t>(sum) / divisor;
  });
}

}  // namespace ondol
