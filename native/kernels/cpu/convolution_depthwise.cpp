#include "base/parallel.h"
#include "kernels/cpu/convolution_depthwise_lanes.h"
#include "kernels/cpu/convolution_depthwise_narrow.h"
#include "kernels/cpu/convolution_depthwise_rows.h"
#include "kernels/cpu/convolution_epilogue.h"
#include "kernels/cpu/convolution_frame.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/normalization_lanes.h"
#include "kernels/cpu/product_microkernel.h"

// With one input channel per group there is no reuse across channels. Small square kernels of stride 1 or 2 read planes
// as they are (see DepthwiseRows); for all others each plane is copied once into a frame, from which every tap reads
// whole vectors.

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// One vector of each of `rows` rows of points: bias + the sum over taps of weight * frame.
template <class T, int rows>
inline void frame_rows(int64_t taps, const int64_t* offsets, const T* weights, T bias, const T* from,
                       int64_t from_stride, Vec<T>* results) {
  Vec<T> sum[rows];
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) sum[r] = broadcast(bias);
  for (int64_t k = 0; k < taps; k++) {
    const Vec<T> weight = broadcast(weights[k]);
    const T* at = from + offsets[k];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) sum[r] += weight * load(at + r * from_stride);
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) results[r] = sum[r];
}

/// All points of one plane, from the frames that `offsets` reach, to `to` with steps between rows and columns.
template <class T>
void frame_product(const PlaneFrame& frame, int64_t taps, const int64_t* offsets, const T* weights, T bias,
                   const T* from, T* to, const int64_t to_strides[3]) {
  const int64_t* points = frame.gather.points;
  const int64_t from_stride = frame.gather.step[1] * frame.row_size;
  for (int64_t d = 0; d < points[0]; d++) {
    for (int64_t h = 0; h < points[1]; h += 4) {
      const int64_t rows = points[1] - h < 4 ? points[1] - h : 4;
      for (int64_t w = 0; w < points[2]; w += lanes<T>) {
        Vec<T> results[4];
        const T* at = from + frame.point_row(d, h) + w;
        if (rows == 4) {
          frame_rows<T, 4>(taps, offsets, weights, bias, at, from_stride, results);
        } else {
          for (int64_t r = 0; r < rows; r++) {
            frame_rows<T, 1>(taps, offsets, weights, bias, at + r * from_stride, from_stride, results + r);
          }
        }
        const int64_t columns = points[2] - w < lanes<T> ? points[2] - w : lanes<T>;
        for (int64_t r = 0; r < rows; r++) {
          T* out = to + d * to_strides[0] + (h + r) * to_strides[1] + w * to_strides[2];
          if (columns == lanes<T> && to_strides[2] == 1) {
            store(out, results[r]);
          } else {
            for (int64_t i = 0; i < columns; i++) out[i * to_strides[2]] = results[r][i];
          }
        }
      }
    }
  }
}

int64_t plane_grain(int64_t points, int64_t taps) { return grain_for(32768, points, taps + 4); }

/// Calls f.operator()<size of the kernel, stride>() and returns true for those that DepthwiseRows computes.
template <class F>
bool by_rows(const ConvolutionShape& s, F&& f) {
  const bool planar = s.kernel[0] == 1 && s.input[0] == 1 && s.output[0] == 1 && s.padding[0] == 0;
  const bool square = s.kernel[1] == s.kernel[2] && s.stride[1] == s.stride[2];
  if (!planar || !square || s.dilation[1] != 1 || s.dilation[2] != 1) return false;
  const int64_t size = s.kernel[1], step = s.stride[1];
  if (size == 3 && step == 1) return f.template operator()<3, 1>(), true;
  if (size == 3 && step == 2) return f.template operator()<3, 2>(), true;
  if (size == 5 && step == 1) return f.template operator()<5, 1>(), true;
  if (size == 5 && step == 2) return f.template operator()<5, 2>(), true;
  return false;
}

/// Calls f(DepthwiseNarrow) and returns true for the planes that it takes.
template <class T, class F>
bool by_narrow_planes(const ConvolutionShape& s, F&& f) {
  const int64_t height = s.input[1], width = s.input[2];
  const auto call = [&]<int size>() {
    if (!is_narrow<T>(s, size)) return false;
    if (width <= lanes<T>)
      f(DepthwiseNarrow<T, size, 1>(height, width));
    else
      f(DepthwiseNarrow<T, size, 2>(height, width));
    return true;
  };
  return call.template operator()<3>() || call.template operator()<5>();
}

/// Forward with any way of computing a plane: rows.product(source, weights, bias, target).
template <class T, class Rows>
void forward_by(const Rows& rows, const ConvolutionShape& s, const T* x, const T* w, const T* bias, T* y,
                const ConvolutionEpilogue<T>* epilogue) {
  const int64_t taps = volume(s.kernel), copies = s.channels_out / s.groups;
  const int64_t in = volume(s.input), out = volume(s.output);
  parallel_for(s.batch * s.channels_out, plane_grain(out, taps), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t channel = i % s.channels_out;
      rows.product(x + i / copies * in, w + channel * taps, bias ? bias[channel] : T(0), y + i * out);
      apply_epilogue(epilogue, channel, out, y + i * out);
    }
  });
}

/// The gradient of the input, with as many channels out as in, by rows.product(gradient, weights, bias, target), whose
/// weights are those of the kernel, turned around if `turned`.
template <class T, class Rows>
void backward_input_by(const Rows& rows, bool turned, const ConvolutionShape& s, const T* gy, const T* w, const T* bias,
                       T* gx) {
  const int64_t taps = volume(s.kernel), in = volume(s.input), out = volume(s.output);
  parallel_for(s.batch * s.channels_in, plane_grain(out, taps), [&](int64_t begin, int64_t end) {
    Scratch<T> weights(taps);
    for (int64_t i = begin; i < end; i++) {
      const int64_t channel = i % s.channels_in;
      for (int64_t k = 0; k < taps; k++) weights.get()[k] = w[channel * taps + (turned ? taps - 1 - k : k)];
      rows.product(gy + i * out, weights.get(), bias ? bias[channel] : T(0), gx + i * in);
    }
  });
}

/// The gradient of the weight by rows.add_weight_gradient(source, gradient, sums).
template <class T, int size, class Rows>
void backward_weight_by(const Rows& rows, const ConvolutionShape& s, const T* x, const T* gy, T* gw) {
  constexpr int taps = size * size;
  const int64_t copies = s.channels_out / s.groups, in = volume(s.input), out = volume(s.output);
  parallel_for(s.channels_out, plane_grain(s.batch * out, taps), [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; channel++) {
      Vec<T> sums[taps] = {};
      for (int64_t image = 0; image < s.batch; image++)
        rows.add_weight_gradient(x + (image * s.channels_in + channel / copies) * in,
                                 gy + (image * s.channels_out + channel) * out, sums);
      for (int k = 0; k < taps; k++) gw[channel * taps + k] = add_lanes<T>(sums[k]);
    }
  });
}

/// gx by the same rows: for stride 1 a product with the kernel turned around, for stride 2 four of its quarters.
template <class T, int size, int step>
void rows_backward_input(const ConvolutionShape& s, const T* gy, const T* w, const T* bias, T* gx) {
  const auto run = [&](const auto& rows, bool turned) { backward_input_by(rows, turned, s, gy, w, bias, gx); };
  if constexpr (step == 1) {
    const int64_t padding[3] = {0, size - 1 - s.padding[1], size - 1 - s.padding[2]};
    run(DepthwiseRows<T, size, 1>(s.output, s.input, padding), true);
  } else if (s.padding[1] % 2 == 0) {
    run(DepthwiseTransposedRows<T, size, 0>(s.output, s.input, s.padding), false);
  } else {
    run(DepthwiseTransposedRows<T, size, 1>(s.output, s.input, s.padding), false);
  }
}

/// Whether DepthwiseLanes is faster. It is where its planes lie in the first-level cache and rows would leave lanes of
/// DepthwiseRows empty; and below AVX-512, where every other element of a row takes several instructions to pick, for
/// reading with stride 2. The limits were measured with 3 x 3 and 5 x 5 kernels on a Zen 5.
template <class T>
bool gains_by_lanes(const ConvolutionShape& s, DepthwisePlan::Target target) {
  constexpr int64_t L = lanes<T>, KB = 1024;
  const int64_t channels = s.channels_in, width = s.output[2], strides = volume(s.stride);
  if (s.channels_out != channels || 2 * ((channels + L - 1) / L * L) > 3 * channels) return false;
  if (strides > DepthwisePlan::most_classes) return false;
  if (sizeof(Vec<T>) < 64 && strides > 1 && target == DepthwisePlan::Target::Output) return true;
  const double filled = static_cast<double>(width) / static_cast<double>((width + L - 1) / L * L);
  const int64_t limit = filled == 1 ? 20 * KB : filled > 0.75 ? 52 * KB : 128 * KB;
  return (volume(s.input) + volume(s.output)) * static_cast<int64_t>(sizeof(Vec<T>)) <= limit;
}

}  // namespace

template <class T>
void depthwise_forward(const ConvolutionShape& s, const T* x, const T* w, const T* bias, T* y,
                       const ConvolutionEpilogue<T>* epilogue) {
  const int64_t taps = volume(s.kernel), copies = s.channels_out / s.groups;
  const int64_t in = volume(s.input), out = volume(s.output);
  if (by_narrow_planes<T>(s, [&](const auto& planes) { forward_by(planes, s, x, w, bias, y, epilogue); })) return;
  if (gains_by_lanes<T>(s, DepthwisePlan::Target::Output)) {
    const DepthwisePlan plan(s, DepthwisePlan::Target::Output);
    return depthwise_product_by_lanes(plan, s, x, w, bias, y, epilogue);
  }
  if (by_rows(s, [&]<int size, int step>() {
        forward_by(DepthwiseRows<T, size, step>(s.input, s.output, s.padding), s, x, w, bias, y, epilogue);
      }))
    return;
  Scratch<int64_t> tap_offsets(3 * taps), offsets(taps);
  const PatchGather gather = input_gather(s, tap_offsets.get());
  const PlaneFrame frame(gather, lanes<T>);
  for (int64_t k = 0; k < taps; k++) offsets.get()[k] = frame.tap(k);
  const int64_t strides[3] = {s.output[1] * s.output[2], s.output[2], 1};
  parallel_for(s.batch * s.channels_in, plane_grain(out * copies, taps), [&](int64_t begin, int64_t end) {
    Scratch<T> plane(frame.size());
    for (int64_t i = begin; i < end; i++) {
      frame.copy_in(T(0), x + i * in, plane.get());
      for (int64_t copy = 0; copy < copies; copy++) {
        const int64_t channel = i % s.channels_in * copies + copy;
        frame_product(frame, taps, offsets.get(), w + channel * taps, bias ? bias[channel] : T(0), plane.get(),
                      y + (i * copies + copy) * out, strides);
        apply_epilogue(epilogue, channel, out, y + (i * copies + copy) * out);
      }
    }
  });
}

template <class T>
void depthwise_backward_input(const ConvolutionShape& s, const T* gy, const T* w, const T* bias, T* gx) {
  const int64_t kernel = volume(s.kernel), copies = s.channels_out / s.groups;
  const int64_t in = volume(s.input), out = volume(s.output);
  if (copies == 1 &&
      by_narrow_planes<T>(s, [&](const auto& planes) { backward_input_by(planes, true, s, gy, w, bias, gx); }))
    return;
  if (gains_by_lanes<T>(s, DepthwisePlan::Target::Input)) {
    const DepthwisePlan plan(s, DepthwisePlan::Target::Input);
    return depthwise_product_by_lanes<T>(plan, s, gy, w, bias, gx, nullptr);
  }
  const bool quarters_match = s.stride[1] == 1 || (s.padding[1] - s.padding[2]) % 2 == 0;
  if (copies == 1 && quarters_match &&
      by_rows(s, [&]<int size, int step>() { rows_backward_input<T, size, step>(s, gy, w, bias, gx); }))
    return;
  for_each_residue_class(s, [&](const ResidueClass& residue) {
    const PatchGather& gather = residue.gather;
    const PlaneFrame frame(gather, lanes<T>);
    const int64_t taps = gather.taps;
    Scratch<int64_t> offsets(copies * taps);  // one frame after the other
    for (int64_t k = 0; k < copies * taps; k++) offsets.get()[k] = k / taps * frame.size() + frame.tap(k % taps);
    const int64_t strides[3] = {s.stride[0] * s.input[1] * s.input[2], s.stride[1] * s.input[2], s.stride[2]};
    const int64_t first = (residue.residue[0] * s.input[1] + residue.residue[1]) * s.input[2] + residue.residue[2];
    parallel_for(s.batch * s.channels_in, plane_grain(gather.point_count(), copies * taps),
                 [&](int64_t begin, int64_t end) {
                   Scratch<T> planes(copies * frame.size()), weights(copies * taps);
                   for (int64_t i = begin; i < end; i++) {
                     const int64_t channel = i % s.channels_in;
                     for (int64_t copy = 0; copy < copies; copy++) {
                       frame.copy_in(T(0), gy + (i * copies + copy) * out, planes.get() + copy * frame.size());
                       for (int64_t k = 0; k < taps; k++) {
                         weights.get()[copy * taps + k] = w[(channel * copies + copy) * kernel + residue.tap.get()[k]];
                       }
                     }
                     frame_product(frame, copies * taps, offsets.get(), weights.get(), bias ? bias[channel] : T(0),
                                   planes.get(), gx + i * in + first, strides);
                   }
                 });
  });
}

template <class T>
void depthwise_backward_weight(const ConvolutionShape& s, const T* x, const T* gy, T* gw) {
  const int64_t taps = volume(s.kernel), copies = s.channels_out / s.groups;
  const int64_t in = volume(s.input), out = volume(s.output), width = s.output[2];
  if (by_narrow_planes<T>(s, [&]<int size, int vectors>(const DepthwiseNarrow<T, size, vectors>& planes) {
        backward_weight_by<T, size>(planes, s, x, gy, gw);
      }))
    return;
  if (gains_by_lanes<T>(s, DepthwisePlan::Target::Output)) {
    const DepthwisePlan plan(s, DepthwisePlan::Target::Output);
    return depthwise_weight_gradient_by_lanes(plan, s, x, gy, gw);
  }
  if (by_rows(s, [&]<int size, int step>() {
        backward_weight_by<T, size>(DepthwiseRows<T, size, step>(s.input, s.output, s.padding), s, x, gy, gw);
      }))
    return;
  Scratch<int64_t> tap_offsets(3 * taps);
  const PatchGather gather = input_gather(s, tap_offsets.get());
  const PlaneFrame frame(gather, lanes<T>);
  const int64_t row_vectors = (width + lanes<T> - 1) / lanes<T>;
  parallel_for(s.channels_in, plane_grain(s.batch * out * copies, taps), [&](int64_t begin, int64_t end) {
    Scratch<T> plane(frame.size()), sums(copies * taps * lanes<T>), row(row_vectors * lanes<T>);
    for (int64_t channel = begin; channel < end; channel++) {
      fill_zeros(sums.get(), 0, copies * taps * lanes<T>);
      for (int64_t image = 0; image < s.batch; image++) {
        frame.copy_in(T(0), x + (image * s.channels_in + channel) * in, plane.get());
        for (int64_t copy = 0; copy < copies; copy++) {
          const T* from = gy + (image * s.channels_out + channel * copies + copy) * out;
          for (int64_t point = 0; point < s.output[0] * s.output[1]; point++, from += width) {
            for (int64_t i = 0; i < row_vectors * lanes<T>; i++) row.get()[i] = i < width ? from[i] : T(0);
            const T* at = plane.get() + frame.point_row(point / s.output[1], point % s.output[1]);
            for (int64_t k = 0; k < taps; k++) {
              dot_tile<T, 1, 1>(row_vectors, row.get(), 0, at + frame.tap(k), 0,
                                sums.get() + (copy * taps + k) * lanes<T>, 0);
            }
          }
        }
      }
      for (int64_t k = 0; k < copies * taps; k++) {
        gw[channel * copies * taps + k] = sum_of(sums.get() + k * lanes<T>, lanes<T>);
      }
    }
  });
}

#define ONDOL_INSTANTIATE(T)                                                                         \
  template void depthwise_forward(const ConvolutionShape&, const T*, const T*, const T*, T*,         \
                                  const ConvolutionEpilogue<T>*);                                    \
  template void depthwise_backward_input(const ConvolutionShape&, const T*, const T*, const T*, T*); \
  template void depthwise_backward_weight(const ConvolutionShape&, const T*, const T*, T*);
ONDOL_INSTANTIATE(float)
ONDOL_INSTANTIATE(double)
#undef ONDOL_INSTANTIATE

}  // namespace ondol::kernel::ONDOL_LEVEL
