// Convolutions with 3 x 3 kernels and stride 1 by Winograd's F(4x4, 3x3), in all three directions.
//
// Images are cut into tiles of 4 x 4 results; a strip is a row of tiles. For the transforms a vector holds a pixel's
// channels, so strips are transposed on the way in and out. In between stand 36 matrix products [tiles, channels in] x
// [channels in, channels out], of a block of strips at a time, that the cache can hold.

#include "base/parallel.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/product_pack.h"
#include "kernels/cpu/product_parts.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd_transform.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

using V = WinogradVector;
constexpr int L = lanes<float>;
constexpr int64_t channel_unit = 16;         // of which the numbers of channels are multiples
constexpr int64_t block_elements = 1 << 17;  // of one transformed operand, for which a block's strips are chosen

/// From one of the 36 points to the next, whose matrices have n elements each: not a power of two, for which all points
/// of a tile would fall into one set of the cache.
constexpr int64_t point_distance(int64_t n) { return n + 2 * 64 / int64_t{sizeof(float)}; }

/// Images [batch, channels, height, width] and how tiles lie on them: tile (ty, tx) begins at row 4 ty - padding.
struct Tiling {
  int64_t batch, height, width, padding, rows, columns;  // rows and columns of tiles

  int64_t strips() const { return batch * rows; }
  int64_t tiles() const { return strips() * columns; }
};

/// from [channels of a vector] rows of `apart`, `count` elements each, to `count` vectors.
void channels_into_lanes(const float* from, int64_t apart, int64_t count, V* to) {
  for (int64_t x = 0; x < count; x += L) {
    const int n = int(count - x < L ? count - x : L);
    V square[L];
    for (int j = 0; j < L; j++)
      square[j] = n == L ? load(from + j * apart + x) : load_part(from + j * apart + x, n, 0.0f);
    transpose_square<L / 2>(square);
    for (int j = 0; j < n; j++) to[x + j] = square[j];
  }
}
void lanes_into_channels(const V* from, int64_t count, float* to, int64_t apart) {
  for (int64_t x = 0; x < count; x += L) {
    const int n = int(count - x < L ? count - x : L);
    V square[L];
    for (int j = 0; j < L; j++) square[j] = j < n ? from[x + j] : V{};
    transpose_square<L / 2>(square);
    for (int j = 0; j < L; j++)
      if (n == L)
        store(to + j * apart + x, square[j]);
      else
        store_part(to + j * apart + x, square[j], n);
  }
}

/// Rows of pixels for the work on one strip.
class StripRows {
 public:
  explicit StripRows(const Tiling& t)
      : length_(t.columns * winograd_outputs + winograd_inputs), pixels_(2 * winograd_inputs * length_) {}
  int64_t length() const { return length_; }
  V* pixels(int64_t row) const { return pixels_.get() + row * length_; }
  V* transformed(int64_t row) const { return pixels(winograd_inputs + row); }

 private:
  int64_t length_;
  Scratch<V> pixels_;
};

/// The transformed tiles of a strip, for one vector of channels, to points [36][tiles, channels] at `to`.
/// `Transform` turns the `taps` rows and columns under a tile into 6.
template <int taps, class Transform>
void transform_strip(const Tiling& t, const float* images, int64_t channels, int64_t channel, int64_t strip,
                     Transform transform, const StripRows& rows, float* to, int64_t point_step) {
  const int64_t padding = t.padding;
  const int64_t image = strip / t.rows, top = strip % t.rows * winograd_outputs - padding;
  const int64_t across = t.columns * winograd_outputs + taps - winograd_outputs, plane = t.height * t.width;
  const float* from = images + (image * channels + channel) * plane;
  for (int r = 0; r < taps; r++) {
    const int64_t y = top + r;
    const bool inside = y >= 0 && y < t.height;
    V* pixels = rows.pixels(r);
    for (int64_t x = 0; x < across; x++)
      if (!inside || x < padding || x >= t.width + padding) pixels[x] = V{};
    if (!inside) continue;
    const int64_t count = t.width < across - padding ? t.width : across - padding;
    channels_into_lanes(from + y * t.width, plane, count, pixels + padding);
  }
  for (int64_t x = 0; x < across; x++)
    transform(rows.pixels(0) + x, rows.length(), rows.transformed(0) + x, rows.length());
  for (int64_t tile = 0; tile < t.columns; tile++, to += channels)
    for (int r = 0; r < winograd_inputs; r++) {
      V points[winograd_inputs];
      transform(rows.transformed(r) + tile * winograd_outputs, 1, points, 1);
      for (int c = 0; c < winograd_inputs; c++) store(to + (r * winograd_inputs + c) * point_step, points[c]);
    }
}

/// The results of a strip for one vector of channels, from points [36][tiles, channels].
void untransform_strip(const Tiling& t, const float* from, int64_t point_step, int64_t channels, int64_t channel,
                       int64_t strip, const float* bias, const StripRows& rows, float* images, int64_t height,
                       int64_t width) {
  const int64_t image = strip / t.rows, top = strip % t.rows * winograd_outputs;
  const V start = bias ? load(bias + channel) : V{};
  for (int64_t tile = 0; tile < t.columns; tile++, from += channels) {
    V points[winograd_inputs][winograd_inputs], columns[winograd_outputs][winograd_inputs];
    for (int r = 0; r < winograd_inputs; r++)
      for (int c = 0; c < winograd_inputs; c++) points[r][c] = load(from + (r * winograd_inputs + c) * point_step);
    for (int c = 0; c < winograd_inputs; c++)
      winograd::to_output(&points[0][c], winograd_inputs, &columns[0][c], winograd_inputs);
    for (int r = 0; r < winograd_outputs; r++) {
      V* out = rows.pixels(r) + tile * winograd_outputs;
      winograd::to_output(columns[r], 1, out, 1);
      for (int c = 0; c < winograd_outputs; c++) out[c] += start;
    }
  }
  float* to = images + (image * channels + channel) * height * width;
  for (int64_t r = 0; r < winograd_outputs && top + r < height; r++)
    lanes_into_channels(rows.pixels(r), width, to + (top + r) * width, height * width);
}

/// A 3 x 3 kernel seen as [channels in, channels out] matrices of taps: tap t of (in, out) is
/// w[in * in_step + out * out_step + (flipped ? 8 - t : t)].
struct KernelView {
  const float* w;
  int64_t in, out, in_step, out_step;
  bool flipped;
};

/// The kernel's 36 points, each a right operand packed for multiply_packed_product.
void transform_kernel(const KernelView& k, float* packed) {
  const int64_t point = point_distance(packed_product_size(k.in, k.out));
  parallel_for(k.out / L, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block++) {
      const int64_t out = block * L;
      for (int64_t in = 0; in < k.in; in++) {
        V taps[9], columns[winograd_inputs][3], points[winograd_inputs];
        for (int tap = 0; tap < 9; tap++)
          for (int j = 0; j < L; j++)
            taps[tap][j] = k.w[in * k.in_step + (out + j) * k.out_step + (k.flipped ? 8 - tap : tap)];
        for (int c = 0; c < 3; c++) winograd::from_kernel(taps + c, 3, &columns[0][c], 3);
        float* to = packed + packed_product_offset(k.in, k.out, in, out);
        for (int r = 0; r < winograd_inputs; r++) {
          winograd::from_kernel(columns[r], 1, points, 1);
          for (int c = 0; c < winograd_inputs; c++) store(to + (r * winograd_inputs + c) * point, points[c]);
        }
      }
    }
  });
}

/// How many strips make a block: enough rows for the products, few enough for the cache, and as much for each thread.
int64_t strips_of_block(const Tiling& t, int64_t channels) {
  const int64_t threads = num_threads(), fitting = block_elements / 16 / channels, tiles = fitting > 32 ? fitting : 32;
  const int64_t most = tiles > t.columns ? tiles / t.columns : 1;
  const int64_t blocks = ((t.strips() + most - 1) / most + threads - 1) / threads * threads;
  return (t.strips() + blocks - 1) / blocks;
}

/// y [batch, k.out, height, width] = images [batch, k.in, t.height, t.width] * kernel + bias.
void convolve(const Tiling& t, const KernelView& k, const float* images, const float* bias, float* y, int64_t height,
              int64_t width) {
  const int64_t point = point_distance(packed_product_size(k.in, k.out));
  Scratch<float> kernel(winograd_points * point);
  transform_kernel(k, kernel.get());
  const int64_t together = strips_of_block(t, k.in > k.out ? k.in : k.out),
                blocks = (t.strips() + together - 1) / together;
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    const int64_t most_tiles = together * t.columns;
    const StripRows rows(t);
    Scratch<float> input(winograd_points * point_distance(most_tiles * k.in));
    Scratch<float> output(winograd_points * point_distance(most_tiles * k.out));
    for (int64_t block = begin; block < end; block++) {
      const int64_t first = block * together, last = first + together < t.strips() ? first + together : t.strips();
      const int64_t tiles = (last - first) * t.columns;
      const int64_t in_point = point_distance(tiles * k.in), out_point = point_distance(tiles * k.out);
      for (int64_t strip = first; strip < last; strip++)
        for (int64_t c = 0; c < k.in; c += L)
          transform_strip<winograd_inputs>(t, images, k.in, c, strip, winograd::from_input, rows,
                                           input.get() + (strip - first) * t.columns * k.in + c, in_point);
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
          untransform_strip(t, output.get() + (strip - first) * t.columns * k.out + c, out_point, k.out, c, strip, bias,
                            rows, y, height, width);
    }
  });
}

int64_t tiles_along(int64_t n) { return (n + winograd_outputs - 1) / winograd_outputs; }

Tiling tiling_of(const ConvolutionShape& s) {
  return {s.batch, s.input[1], s.input[2], s.padding[1], tiles_along(s.output[1]), tiles_along(s.output[2])};
}

/// gw [channels out, channels in, 3, 3] = the sum of Gᵀ S G with S [36][channels in, channels out].
void untransform_kernel(const float* sums, int64_t in, int64_t out, float* gw) {
  parallel_for(in, 1 + 4096 / out, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      for (int64_t o = 0; o < out; o += L) {
        V points[winograd_inputs][winograd_inputs], columns[3][winograd_inputs], taps[3][3];
        for (int p = 0; p < winograd_points; p++)
          points[p / winograd_inputs][p % winograd_inputs] = load(sums + (p * in + i) * out + o);
        for (int c = 0; c < winograd_inputs; c++)
          winograd::to_kernel(&points[0][c], winograd_inputs, &columns[0][c], winograd_inputs);
        for (int r = 0; r < 3; r++) winograd::to_kernel(columns[r], 1, taps[r], 1);
        for (int j = 0; j < L; j++)
          for (int tap = 0; tap < 9; tap++) gw[((o + j) * in + i) * 9 + tap] = taps[tap / 3][tap % 3][j];
      }
  });
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

void winograd_forward(const ConvolutionShape& s, const float* x, const float* w, const float* bias, float* y) {
  convolve(tiling_of(s), {w, s.channels_in, s.channels_out, 9, 9 * s.channels_in, false}, x, bias, y, s.output[1],
           s.output[2]);
}

void winograd_backward_input(const ConvolutionShape& s, const float* gy, const float* w, const float* bias, float* gx) {
  const Tiling t{s.batch, s.output[1], s.output[2], 2 - s.padding[1], tiles_along(s.input[1]), tiles_along(s.input[2])};
  convolve(t, {w, s.channels_out, s.channels_in, 9 * s.channels_in, 9, true}, gy, bias, gx, s.input[1], s.input[2]);
}

void winograd_backward_weight(const ConvolutionShape& s, const float* x, const float* gy, float* gw) {
  constexpr int64_t chunk_elements = 1 << 20;  // of a transformed operand
  const Tiling t = tiling_of(s), outputs{s.batch, s.output[1], s.output[2], 0, t.rows, t.columns};
  const int64_t in = s.channels_in, out = s.channels_out, wider = in > out ? in : out;
  const int64_t fitting = chunk_elements / (winograd_points * wider * t.columns), together = fitting > 1 ? fitting : 1;
  const int64_t most_tiles = (together < t.strips() ? together : t.strips()) * t.columns;
  Scratch<float> input(winograd_points * point_distance(most_tiles * in));
  Scratch<float> output(winograd_points * point_distance(most_tiles * out));
  Scratch<float> sums(winograd_points * in * out);
  for (int64_t first = 0; first < t.strips(); first += together) {
    const int64_t last = first + together < t.strips() ? first + together : t.strips();
    const int64_t tiles = (last - first) * t.columns;
    const int64_t in_point = point_distance(tiles * in), out_point = point_distance(tiles * out);
    parallel_for(last - first, 1, [&](int64_t begin, int64_t end) {
      const StripRows rows(t);
      for (int64_t i = begin; i < end; i++) {
        for (int64_t c = 0; c < in; c += L)
          transform_strip<winograd_inputs>(t, x, in, c, first + i, winograd::from_input, rows,
                                           input.get() + i * t.columns * in + c, in_point);
        for (int64_t c = 0; c < out; c += L)
          transform_strip<winograd_outputs>(outputs, gy, out, c, first + i, winograd::from_output, rows,
                                            output.get() + i * t.columns * out + c, out_point);
      }
    });
    parallel_for(winograd_points, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++)
        multiply_product({in,
                          out,
                          tiles,
                          {input.get() + p * in_point, 1, in},
                          {output.get() + p * out_point, out, 1},
                          nullptr,
                          first > 0,
                          sums.get() + p * in * out,
                          out});
    });
  }
  untransform_kernel(sums.get(), in, out, gw);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
