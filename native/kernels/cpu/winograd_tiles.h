#pragma once

// Images as the tiles of Winograd's F(4x4, 3x3): a tile is a square of 4 x 4 results and the 6 x 6 elements under it, a
// strip is a row of tiles. For the transforms a vector holds a pixel's channels, so strips are transposed on the way in
// and out.

#include "kernels/cpu/convolution_epilogue.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/planes_and_lanes.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd_transform.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// From one of the 36 points to the next, whose matrices have n elements each: not a power of two, for which all points
/// of a tile would fall into one set of the cache.
constexpr int64_t point_distance(int64_t n) { return n + 2 * 64 / int64_t{sizeof(float)}; }

/// Images [batch, channels, height, width] and how tiles lie on them: tile (ty, tx) begins at row 4 ty - padding.
struct Tiling {
  int64_t batch, height, width, padding, rows, columns;  // rows and columns of tiles

  int64_t strips() const { return batch * rows; }
  int64_t tiles() const { return strips() * columns; }
};

inline int64_t tiles_along(int64_t n) { return (n + winograd_outputs - 1) / winograd_outputs; }

/// The tiles of a convolution's results on its input.
inline Tiling tiling_of(const ConvolutionShape& s) {
  return {s.batch, s.input[1], s.input[2], s.padding[1], tiles_along(s.output[1]), tiles_along(s.output[2])};
}

/// Where the transformed tiles of one vector of channels are: those of point p and tile t at
/// data + p * point_step + t * tile_step.
template <class T>
struct PointsOfTiles {
  T* data;
  int64_t point_step, tile_step;

  T* at(int64_t point, int64_t tile) const { return data + point * point_step + tile * tile_step; }
};

/// from [channels of a vector] rows of `apart`, `count` elements each, to `count` vectors.
[[gnu::noinline]] inline void channels_into_lanes(const float* from, int64_t apart, int64_t count, WinogradVector* to) {
  planes_into_lanes(from, apart, lanes<float>, count, [=](int64_t i, WinogradVector v) { to[i] = v; });
}
[[gnu::noinline]] inline void lanes_into_channels(const WinogradVector* from, int64_t count, float* to, int64_t apart) {
  lanes_into_planes(from, count, to, apart, lanes<float>);
}

/// Rows of pixels for the work on one strip.
class StripRows {
 public:
  explicit StripRows(const Tiling& t)
      : length_(t.columns * winograd_outputs + winograd_inputs), pixels_(2 * winograd_inputs * length_) {}
  int64_t length() const { return length_; }
  WinogradVector* pixels(int64_t row) const { return pixels_.get() + row * length_; }
  WinogradVector* transformed(int64_t row) const { return pixels(winograd_inputs + row); }

 private:
  int64_t length_;
  Scratch<WinogradVector> pixels_;
};

/// The transformed tiles of a strip, for one vector of channels. `transform` turns the `taps` rows and columns under a
/// tile into 6. `follows` says that `rows` hold the strip above: tiles overlap by what two strips share.
template <int taps, auto transform>
void transform_strip(const Tiling& t, const float* images, int64_t channels, int64_t channel, int64_t strip,
                     bool follows, const StripRows& rows, const PointsOfTiles<float>& to) {
  using V = WinogradVector;
  constexpr int shared = taps - winograd_outputs;
  const int64_t padding = t.padding;
  const int64_t image = strip / t.rows, top = strip % t.rows * winograd_outputs - padding;
  const int64_t across = t.columns * winograd_outputs + shared, plane = t.height * t.width;
  const float* from = images + (image * channels + channel) * plane;
  for (int r = 0; r < taps; r++) {
    const int64_t y = top + r;
    const bool inside = y >= 0 && y < t.height;
    V* pixels = rows.pixels(r);
    if (follows && r < shared) {
      const V* above = rows.pixels(winograd_outputs + r);
      for (int64_t x = 0; x < across; x++) pixels[x] = above[x];
      continue;
    }
    for (int64_t x = 0; x < across; x++)
      if (!inside || x < padding || x >= t.width + padding) pixels[x] = V{};
    if (!inside) continue;
    const int64_t count = t.width < across - padding ? t.width : across - padding;
    channels_into_lanes(from + y * t.width, plane, count, pixels + padding);
  }
  for (int64_t x = 0; x < across; x++)
    transform(rows.pixels(0) + x, rows.length(), rows.transformed(0) + x, rows.length());
  float* tile = to.at(0, strip * t.columns);
  for (int64_t column = 0; column < t.columns; column++, tile += to.tile_step) {
    float* point = tile;
    for (int r = 0; r < winograd_inputs; r++) {
      V points[winograd_inputs];
      transform(rows.transformed(r) + column * winograd_outputs, 1, points, 1);
      for (int c = 0; c < winograd_inputs; c++, point += to.point_step) store(point, points[c]);
    }
  }
}

/// The strips [first, last), each with all channels.
template <int taps, auto transform>
void transform_strips(const Tiling& t, const float* images, int64_t channels, int64_t first, int64_t last,
                      const StripRows& rows, const PointsOfTiles<float>& to) {
  for (int64_t c = 0; c < channels; c += lanes<float>)
    for (int64_t strip = first; strip < last; strip++)
      transform_strip<taps, transform>(t, images, channels, c, strip, strip > first && strip % t.rows != 0, rows,
                                       {to.data + c, to.point_step, to.tile_step});
}

/// The results of a strip, for one vector of channels, added to its bias and finished.
inline void untransform_strip(const Tiling& t, const PointsOfTiles<const float>& from, int64_t channels,
                              int64_t channel, int64_t strip, const float* bias, const StripRows& rows, float* images,
                              int64_t height, int64_t width, const ConvolutionEpilogue<float>* epilogue) {
  using V = WinogradVector;
  const int64_t image = strip / t.rows, top = strip % t.rows * winograd_outputs;
  const auto finish = epilogue ? finish_of_channels(*epilogue, channel) : Finish<float, V>{};
  const V start = bias ? load(bias + channel) : V{};
  const float* tile = from.at(0, strip * t.columns);
  for (int64_t column = 0; column < t.columns; column++, tile += from.tile_step) {
    V points[winograd_inputs][winograd_inputs], columns[winograd_outputs][winograd_inputs];
    const float* point = tile;
    for (int r = 0; r < winograd_inputs; r++)
      for (int c = 0; c < winograd_inputs; c++, point += from.point_step) points[r][c] = load(point);
    for (int c = 0; c < winograd_inputs; c++)
      winograd::to_output(&points[0][c], winograd_inputs, &columns[0][c], winograd_inputs);
    for (int r = 0; r < winograd_outputs; r++) {
      V* out = rows.pixels(r) + column * winograd_outputs;
      winograd::to_output(columns[r], 1, out, 1);
      for (int c = 0; c < winograd_outputs; c++) out[c] += start;
      for (int c = 0; epilogue && c < winograd_outputs; c++) out[c] = finish(out[c]);
    }
  }
  float* to = images + (image * channels + channel) * height * width;
  for (int64_t r = 0; r < winograd_outputs && top + r < height; r++)
    lanes_into_channels(rows.pixels(r), width, to + (top + r) * width, height * width);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
