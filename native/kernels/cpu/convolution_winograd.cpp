// Convolutions with 3 x 3 kernels and stride 1 by Winograd's F(4x4, 3x3), and the gradients of their inputs.
//
// Between the transforms of the input's tiles, of the kernel and of the results stand 36 matrix products [tiles,
// channels in] x [channels in, channels out]. Whichever of input and kernel is the larger is transformed piece by
// piece, a piece that stays in the cache until it has been used; the other is transformed as a whole before.

#include "base/parallel.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/division.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/product_parts.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd_kernel.h"
#include "kernels/cpu/winograd_tiles.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

constexpr int L = lanes<float>;
constexpr int64_t channel_unit = 16;                  // of which the numbers of channels are multiples
constexpr int64_t block_elements = 1 << 17;           // of a transformed piece
constexpr int64_t kernel_columns = tile_vectors * L;  // channels out of a piece of the kernel
constexpr int64_t least_tiles = 32;                   // of a piece of the input

/// y [batch, kernel.out, height, width] = images [batch, kernel.in, tiling...] * kernel + bias.
struct Convolution {
  Tiling tiling;
  KernelView kernel;
  Images images;
  const float* bias;
  float* y;
  int64_t height, width;
  const ConvolutionEpilogue<float>* epilogue;
};

/// How many strips make a piece: enough rows for the products and for the kernel to be worth reading, which for 512
/// channels takes as long as for 64 tiles' input and results; few enough for the cache, and as much for each thread.
int64_t strips_of_piece(const Tiling& t, const KernelView& k) {
  const int64_t threads = num_threads(), fitting = block_elements / 16 / (k.in > k.out ? k.in : k.out);
  const int64_t wanted = k.in * k.out / (4 * (k.in + k.out));
  const int64_t enough = wanted > least_tiles ? wanted : least_tiles, tiles = fitting > enough ? fitting : enough;
  const int64_t most = tiles > t.columns ? tiles / t.columns : 1;
  const int64_t pieces = ceil_div(ceil_div(t.strips(), most), threads) * threads;
  return ceil_div(t.strips(), pieces);
}

/// Pieces of the input: the whole kernel, as right operands packed for multiply_packed_product, meets strips after
/// strips.
void convolve_by_strips(const Convolution& job) {
  const Tiling& t = job.tiling;
  const KernelView& k = job.kernel;
  const int64_t point = point_distance(packed_product_size(k.in, k.out));
  Scratch<float> kernel(winograd_points * point);
  parallel_for(k.out / L, 1, [&](int64_t begin, int64_t end) {
    Scratch<float> taps(k.in * winograd_taps * L);
    for (int64_t out = begin * L; out < end * L; out += L)
      transform_kernels(k, 0, k.in, out, taps.get(), point,
                        [&](int64_t in) { return kernel.get() + packed_product_offset(k.in, k.out, in, out); });
  });
  const int64_t together = strips_of_piece(t, k);
  parallel_for(ceil_div(t.strips(), together), 1, [&](int64_t begin, int64_t end) {
    const int64_t most_tiles = together * t.columns;
    const StripRows rows(t);
    Scratch<float> input(winograd_points * point_distance(most_tiles * k.in));
    Scratch<float> output(winograd_points * point_distance(most_tiles * k.out));
    for (int64_t piece = begin; piece < end; piece++) {
      const int64_t first = piece * together, last = smaller_of(first + together, t.strips());
      const int64_t tiles = (last - first) * t.columns, before = first * t.columns;
      const int64_t in_point = point_distance(tiles * k.in), out_point = point_distance(tiles * k.out);
      transform_strips<winograd_inputs, winograd::from_input>(t, job.images, k.in, first, last, rows,
                                                              {input.get() - before * k.in, in_point, k.in});
      for (int p = 0; p < winograd_points; p++)
        multiply_packed_product({tiles,
                                 k.out,
                                 k.in,
                                 {input.get() + p * in_point, k.in, 1},
                                 {},
                                 nullptr,
                                 false,
                                 output.get() + p * out_point,
                                 k.out},
                                kernel.get() + p * point);
      for (int64_t strip = first; strip < last; strip++)
        for (int64_t c = 0; c < k.out; c += L)
          untransform_strip(t, {output.get() + c - before * k.out, out_point, k.out}, k.out, c, strip, job.bias, rows,
                            job.y, job.height, job.width, job.epilogue);
    }
  });
}

/// Pieces of the kernel: all tiles meet some channels out after others. For small images, whose kernels are the larger
/// and whose results for a piece stay in the cache as well.
void convolve_by_channels(const Convolution& job) {
  const Tiling& t = job.tiling;
  const KernelView& k = job.kernel;
  const int64_t tiles = t.tiles(), in_point = point_distance(tiles * k.in), vectors = k.in / L;
  Scratch<float> input(winograd_points * in_point);
  parallel_for(vectors * t.strips(), 1, [&](int64_t begin, int64_t end) {
    const StripRows rows(t);
    for (int64_t i = begin, next; i < end; i = next) {
      const int64_t c = i / t.strips() * L, first = i % t.strips(), last = smaller_of(t.strips(), first + end - i);
      transform_channels<winograd_inputs, winograd::from_input>(t, job.images, k.in, c, first, last, rows,
                                                                {input.get() + c, in_point, k.in});
      next = i + last - first;
    }
  });

  const int64_t depths = ceil_div(k.in * winograd_points * kernel_columns, block_elements),
                depth = ceil_div(k.in, depths);
  // As equal as whole vectors allow, and even in number, so that two threads have as much to do.
  const int64_t out_vectors = k.out / L, pieces = 2 * ceil_div(k.out, 2 * kernel_columns);
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    const StripRows rows(t);
    Scratch<float> taps(depth * winograd_taps * L), kernel(winograd_points * point_distance(depth * kernel_columns));
    Scratch<float> output(winograd_points * point_distance(tiles * kernel_columns));
    for (int64_t piece = begin; piece < end; piece++) {
      const int64_t first = piece * out_vectors / pieces * L, columns = (piece + 1) * out_vectors / pieces * L - first;
      const int64_t point = point_distance(depth * columns), out_point = point_distance(tiles * columns);
      for (int64_t in = 0; in < k.in; in += depth) {
        const int64_t count = smaller_of(depth, k.in - in);
        for (int64_t c = 0; c < columns; c += L)
          transform_kernels(k, in, count, first + c, taps.get(), point,
                            [&](int64_t i) { return kernel.get() + i * columns + c; });
        for (int p = 0; p < winograd_points; p++) {
          // What another thread transformed is fetched in time, for its cache may be far away.
          if (piece == begin && in == 0 && p + 1 < winograd_points)
            prefetch(input.get() + (p + 1) * in_point, tiles * k.in);
          product(tiles, columns / L, count, input.get() + p * in_point + in, k.in, 1, kernel.get() + p * point,
                  columns, static_cast<const float*>(nullptr), in > 0, output.get() + p * out_point, columns);
        }
      }
      for (int64_t strip = 0; strip < t.strips(); strip++)
        for (int64_t c = 0; c < columns; c += L)
          untransform_strip(t, {output.get() + c, out_point, columns}, k.out, first + c, strip, job.bias, rows, job.y,
                            job.height, job.width, job.epilogue);
    }
  });
}

/// Whether pieces of the kernel serve better: if it is the larger and the results for a piece stay in the cache. Twice
/// as many may be for a kernel that would itself leave the cache between its transform and its use, if all of the input
/// is then not read more often than the kernel would be otherwise.
bool is_cut_by_channels(const Convolution& job) {
  constexpr int64_t far_kernel = 1 << 20;
  const KernelView& k = job.kernel;
  const int64_t tiles = job.tiling.tiles();
  const bool is_far = k.in * k.out * winograd_points > far_kernel && kernel_columns >= least_tiles;
  return tiles < k.out && tiles * kernel_columns * winograd_points <= (is_far ? 2 : 1) * block_elements;
}

void convolve(const Convolution& job) {
  if (is_cut_by_channels(job))
    convolve_by_channels(job);
  else
    convolve_by_strips(job);
}

}  // namespace

bool winograd_gains(const ConvolutionShape& s, int64_t least_tiles) {
#if !ONDOL_HAS_FMA
  return false;
#endif
  for (int axis = 0; axis < 3; axis++) {
    if (s.stride[axis] != 1 || s.dilation[axis] != 1 || s.kernel[axis] != (axis ? 3 : 1)) return false;
    if (axis == 0 && (s.input[0] != 1 || s.padding[0] != 0)) return false;
    if (axis && (s.padding[axis] != s.padding[1] || s.padding[axis] > 2)) return false;
  }
  if (s.groups != 1 || s.channels_in % channel_unit || s.channels_out % channel_unit) return false;
  const Tiling t = tiling_of(s);
  // The transforms cost by channel and the products by pair of channels.
  const int64_t covered = t.rows * t.columns * winograd_outputs * winograd_outputs, used = s.output[1] * s.output[2];
  return s.channels_in >= 32 && s.channels_out >= 32 && t.tiles() >= least_tiles && used * 10 >= covered * 6;
}

void winograd_forward(const ConvolutionShape& s, const float* x, const float* w, const float* bias, float* y,
                      const ConvolutionEpilogue<float>* epilogue) {
  const KernelView kernel{w, s.channels_in, s.channels_out, winograd_taps, winograd_taps * s.channels_in, false};
  convolve({tiling_of(s), kernel, {x}, bias, y, s.output[1], s.output[2], epilogue});
}

void winograd_backward_input(const ConvolutionShape& s, ResultGradient<float> gy, const float* w, const float* bias,
                             float* gx) {
  const Tiling t{s.batch, s.output[1], s.output[2], 2 - s.padding[1], tiles_along(s.input[1]), tiles_along(s.input[2])};
  const KernelView kernel{w, s.channels_out, s.channels_in, winograd_taps * s.channels_in, winograd_taps, true};
  convolve({t, kernel, gy, bias, gx, s.input[1], s.input[2], nullptr});
}

}  // namespace ondol::kernel::ONDOL_LEVEL
