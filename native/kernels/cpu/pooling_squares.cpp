// Max pooling over squares of 2 x 2 elements, side by side: planes are read in place, a vector of outputs at a time.

#include "kernels/cpu/pooling_squares.h"

#include "kernels/cpu/division.h"
#include "kernels/cpu/pooling_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// Of 2 * count elements; the lanes beyond hold anything.
template <class T>
inline Parted<T> load_parted(const T* from, int64_t count) {
  constexpr int L = lanes<T>;
  return part<T>(load_up_to(from, 2 * count), 2 * count > L ? load_up_to(from + L, 2 * count - L) : Vec<T>{});
}

/// Calls f(maxima, element of the plane at which the first square begins, output, count) for vectors of squares, planes
/// in parallel.
template <class T, class F>
void for_each_square(const PoolingShape& s, const T* x, F f) {
  constexpr int L = lanes<T>;
  const int64_t in = plane_size(s.input), out = plane_size(s.output), columns = s.output[2], width = s.input[2];
  parallel_for(s.planes, pooling_grain(in), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; plane++)
      for (int64_t row = 0; row < s.output[0] * s.output[1]; row++) {
        const int64_t start = (row / s.output[1] * s.input[1] + row % s.output[1] * 2) * width;
        const T* from = x + plane * in + start;
        for (int64_t w = 0; w < columns; w += L) {
          const int64_t count = smaller_of(L, columns - w);
          const Parted<T> upper = load_parted(from + 2 * w, count), lower = load_parted(from + width + 2 * w, count);
          f(max_of_square<T>(upper.even, upper.odd, lower.even, lower.odd), start + 2 * w,
            plane * out + row * columns + w, count);
        }
      }
  });
}

}  // namespace

template <class T>
void max_of_squares(const PoolingShape& s, const T* x, T* y, int64_t* indices) {
  using Index = IndexOf<T>;
  const Index width = static_cast<Index>(s.input[2]);
  Vec<Index> ramp;
  for (int lane = 0; lane < lanes<T>; lane++) ramp[lane] = static_cast<Index>(2 * lane);
  for_each_square(s, x, [=](const SquareMaxima<T>& maxima, int64_t start, int64_t at, int64_t count) {
    store_up_to(y + at, maxima.value, count);
    if (!indices) return;
    const Vec<Index> row = (maxima.place >> 1) != 0 ? broadcast(width) : Vec<Index>{};
    const Vec<Index> index = ramp + static_cast<Index>(start) + row + (maxima.place & 1);
    Index flat[lanes<T>];
    store(flat, index);
    for (int64_t i = 0; i < count; i++) indices[at + i] = flat[i];
  });
}

namespace {

template <class T>
void max_places(const PoolingShape& s, const T* x, T* y, uint8_t* places) {
  for_each_square(s, x, [=](const SquareMaxima<T>& maxima, int64_t, int64_t at, int64_t count) {
    store_up_to(y + at, maxima.value, count);
    store_places<T>(places + at, maxima.place, count);
  });
}

template <class T>
void spread_to_places(const PoolingShape& s, const T* gy, const uint8_t* places, T* gx) {
  const int64_t slices = s.input[0], in = s.input[1] * s.input[2], out = s.output[1] * s.output[2];
  const int64_t total = s.planes * plane_size(s.output);
  parallel_for(s.planes, pooling_grain(plane_size(s.input)), [&](int64_t begin, int64_t end) {
    for (int64_t slice = begin * slices; slice < end * slices; slice++) {
      const int64_t at = slice * out;
      spread_squares(gy + at, places + at, total - at, s.input[1], s.input[2], gx + slice * in);
    }
  });
}

}  // namespace

template <class T>
void fill_square_pooling(PoolingFunctions<T>& functions) {
  functions.max_places = max_places<T>;
  functions.spread_to_places = spread_to_places<T>;
}

template void fill_square_pooling(PoolingFunctions<float>&);
template void fill_square_pooling(PoolingFunctions<double>&);
template void max_of_squares(const PoolingShape&, const float*, float*, int64_t*);
template void max_of_squares(const PoolingShape&, const double*, double*, int64_t*);

}  // namespace ondol::kernel::ONDOL_LEVEL
