#pragma once

// Images as the tiles of Winograd's F(4x4, 3x3): a tile is a square of 4 x 4 results and the 6 x 6 elements under it, a
// strip is a row of tiles. For the transforms a vector holds a pixel's channels, so strips are transposed on the way in
// and out.

#include "kernels/cpu/convolution_epilogue.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/planes_and_lanes.h"
#include "kernels/cpu/pooling_squares.h"
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

/// The data of a tiling: an input, or a gradient of results and then perhaps as maxima of squares with their places.
using Images = ResultGradient<float>;

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

/// from [channels of a vector] planes, `apart` from each other, `count` elements each, to `count` vectors.
[[gnu::noinline]] inline void channels_into_lanes(const float* from, int64_t apart, int64_t count, WinogradVector* to) {
  planes_into_lanes(from, apart, lanes<float>, count, [=](int64_t i, WinogradVector v) { to[i] = v; });
}
[[gnu::noinline]] inline void lanes_into_channels(const WinogradVector* from, int64_t count, float* to, int64_t apart) {
  lanes_into_planes(from, count, to, apart, lanes<float>);
}

/// The places of squares, as numbers, of which each vector holds those of its channels.
[[gnu::noinline]] inline void places_into_lanes(const uint8_t* from, int64_t apart, int64_t count, WinogradVector* to) {
  planes_into_lanes<float>(
      from, apart, lanes<float>, count,
      [](const uint8_t* row, int points) {
        return reinterpret_cast<WinogradVector>(load_places<float>(row, points, points));
      },
      [=](int64_t i, WinogradVector v) { to[i] = v; });
}

/// Room for the work on strips one below the other. Rows of pixels follow each other as in an image, so that a whole
/// block of rows is transposed at a time: rows alone are too short for vectors, and for processors to see coming.
class StripRows {
 public:
  explicit StripRows(const Tiling& t)
      : length_(t.columns * winograd_outputs + winograd_inputs),
        pixels_(cached_pixels > winograd_inputs * length_ ? cached_pixels : winograd_inputs * length_),
        transformed_(winograd_inputs * length_),
        squares_(2 * most_squares(t)) {}

  /// How many strips of a tiling with as many columns have room.
  static int64_t strips(const Tiling& t) {
    const int64_t rows = cached_pixels / t.width;
    return rows > winograd_inputs ? (rows - winograd_inputs) / winograd_outputs + 1 : 1;
  }

  WinogradVector* pixels() const { return pixels_.get(); }
  /// The maxima of squares of pixels and their places.
  WinogradVector* maxima() const { return squares_.get(); }
  WinogradVector* places(const Tiling& t) const { return squares_.get() + most_squares(t); }
  /// From one transformed row to the next.
  int64_t length() const { return length_; }
  WinogradVector* transformed(int64_t row) const { return transformed_.get() + row * length_; }

 private:
  static constexpr int64_t cached_pixels = 576;  // 36 KB with AVX-512: they stay in the first-level cache

  /// Under the rows of pixels, of which the first and the last may be halves of squares.
  static int64_t most_squares(const Tiling& t) {
    const int64_t rows = cached_pixels / t.width > winograd_inputs ? cached_pixels / t.width : winograd_inputs;
    return (rows / 2 + 1) * (t.width / 2);
  }

  int64_t length_;
  Scratch<WinogradVector> pixels_, transformed_, squares_;
};

/// Rows [first, last) of one vector of channels of plane `plane` and after, as pixels.
inline void load_rows(const Tiling& t, Images images, int64_t plane, int64_t first, int64_t last, const StripRows& room,
                      WinogradVector* pixels) {
  using Places = Vec<int32_t>;
  const int64_t width = t.width, columns = width / 2, apart = images.places ? t.height / 2 * columns : t.height * width;
  const float* from = images.data + plane * apart;
  if (!images.places) return channels_into_lanes(from + first * width, apart, (last - first) * width, pixels);
  const int64_t upper = first / 2, lower = smaller_of((last + 1) / 2, t.height / 2), skipped = upper * columns;
  const WinogradVector *maxima = room.maxima(), *places = room.places(t);
  channels_into_lanes(from + skipped, apart, (lower - upper) * columns, room.maxima());
  places_into_lanes(images.places + plane * apart + skipped, apart, (lower - upper) * columns, room.places(t));
  for (int64_t row = first; row < last; row++) {
    WinogradVector* to = pixels + (row - first) * width;
    const int64_t at = (row / 2 - upper) * columns, used = row / 2 < t.height / 2 ? columns : 0;
    const Places left = broadcast(static_cast<int32_t>(row % 2 * 2)), right = left + 1;
    for (int64_t x = 0; x < used; x++) {
      const Places place = reinterpret_cast<Places>(places[at + x]);
      const WinogradVector value = maxima[at + x] + 0.0f;  // so that no -0 remains
      to[2 * x] = place == left ? value : WinogradVector{};
      to[2 * x + 1] = place == right ? value : WinogradVector{};
    }
    for (int64_t x = 2 * used; x < width; x++) to[x] = WinogradVector{};
  }
}

/// Rows [top, top + rows) of one vector of channels of plane `plane` and after, of which some may be outside of it, as
/// pixels. The first `known` of them are where the last ones of `known_at` rows were.
inline void load_pixels(const Tiling& t, Images images, int64_t plane, int64_t top, int64_t rows, int64_t known,
                        int64_t known_at, const StripRows& room) {
  WinogradVector* pixels = room.pixels();
  const int64_t width = t.width, end = top + rows;
  for (int64_t i = 0; i < known * width; i++) pixels[i] = pixels[known_at * width + i];
  const auto inside = [&](int64_t y) { return y < 0 ? 0 : y > t.height ? t.height : y; };
  const int64_t first = inside(top + known), last = inside(end);
  for (int64_t i = known * width; i < (first - top) * width; i++) pixels[i] = WinogradVector{};
  if (first < last) load_rows(t, images, plane, first, last, room, pixels + (first - top) * width);
  for (int64_t i = (last > top + known ? last - top : known) * width; i < rows * width; i++)
    pixels[i] = WinogradVector{};
}

/// The transformed tiles of a strip from the pixels under it. `transform` turns the `taps` rows and columns under a
/// tile into 6.
template <int taps, auto transform>
void transform_strip(const Tiling& t, const WinogradVector* pixels, const StripRows& rows, float* tile,
                     const PointsOfTiles<float>& to) {
  const int64_t across = t.columns * winograd_outputs + taps - winograd_outputs;
  const int64_t inside = across - t.padding < t.width ? across - t.padding : t.width;
  for (int64_t x = 0; x < inside; x++)
    transform(pixels + x, t.width, rows.transformed(0) + t.padding + x, rows.length());
  for (int64_t column = 0; column < t.columns; column++, tile += to.tile_step) {
    float* point = tile;
    for (int r = 0; r < winograd_inputs; r++) {
      WinogradVector points[winograd_inputs];
      transform(rows.transformed(r) + column * winograd_outputs, 1, points, 1);
      for (int c = 0; c < winograd_inputs; c++, point += to.point_step) store(point, points[c]);
    }
  }
}

/// The transformed tiles of the strips [first, last), for one vector of channels.
template <int taps, auto transform>
void transform_channels(const Tiling& t, Images images, int64_t channels, int64_t channel, int64_t first, int64_t last,
                        const StripRows& rows, const PointsOfTiles<float>& to) {
  constexpr int shared = taps - winograd_outputs;  // rows under two strips
  for (int r = 0; r < winograd_inputs; r++)        // of which those beside the image stay as they are
    for (int64_t x = 0; x < rows.length(); x++) rows.transformed(r)[x] = WinogradVector{};
  for (int64_t strip = first, count, before = 0; strip < last; strip += count) {
    const int64_t row = strip % t.rows, fitting = StripRows::strips(t);
    count = t.rows - row < last - strip ? t.rows - row : last - strip;
    if (count > fitting) count = fitting;
    const bool follows = strip > first && row > 0;
    load_pixels(t, images, strip / t.rows * channels + channel, row * winograd_outputs - t.padding,
                count * winograd_outputs + shared, follows ? shared : 0, before * winograd_outputs, rows);
    for (int64_t i = 0; i < count; i++)
      transform_strip<taps, transform>(t, rows.pixels() + i * winograd_outputs * t.width, rows,
                                       to.at(0, (strip + i) * t.columns), to);
    before = count;
  }
}

/// The strips [first, last), each with all channels.
template <int taps, auto transform>
void transform_strips(const Tiling& t, Images images, int64_t channels, int64_t first, int64_t last,
                      const StripRows& rows, const PointsOfTiles<float>& to) {
  for (int64_t c = 0; c < channels; c += lanes<float>)
    transform_channels<taps, transform>(t, images, channels, c, first, last, rows,
                                        {to.data + c, to.point_step, to.tile_step});
}

/// Some rows of one vector of channels of an image's results, to be pooled: row `top` is the first, of `width` pixels.
struct RowsOfResults {
  int64_t image, channels, channel, top, count, height, width;

  /// Where the squares of the first row are in [batch, channels, height / 2, width / 2], and how far a channel's are
  /// from the next one's.
  int64_t place() const { return (image * channels + channel) * apart() + top / 2 * (width / 2); }
  int64_t apart() const { return (height / 2) * (width / 2); }
};

/// The maxima of squares of the results in rows.pixels(), which are used up.
inline void pool_rows(const RowsOfResults& r, const StripRows& rows, const ConvolutionEpilogue<float>& epilogue,
                      float* y) {
  using Places = Vec<int32_t>;
  constexpr int L = lanes<float>;
  const int64_t columns = r.width / 2, squares = r.count / 2 * columns;
  const WinogradVector* from = rows.pixels();
  WinogradVector *maxima = rows.pixels(), *places = rows.transformed(0);
  for (int64_t row = 0; row < r.count / 2; row++, from += 2 * r.width)
    for (int64_t x = 0; x < columns; x++) {
      const WinogradVector* lower = from + r.width;
      const auto best = max_of_square<float>(from[2 * x], from[2 * x + 1], lower[2 * x], lower[2 * x + 1]);
      *maxima++ = best.value;
      const Places closed = best.value <= epilogue.low ? broadcast(int32_t{closed_square}) : Places{};
      *places++ = reinterpret_cast<WinogradVector>(best.place + closed);
    }
  lanes_into_channels(rows.pixels(), squares, y + r.place(), r.apart());
  if (!epilogue.places) return;
  float* planes = reinterpret_cast<float*>(rows.transformed(1));  // places still, which are moved and nothing else
  lanes_into_channels(rows.transformed(0), squares, planes, squares);
  for (int c = 0; c < L; c++)
    for (int64_t i = 0; i < squares; i += L)
      store_places<float>(epilogue.places + r.place() + c * r.apart() + i,
                          reinterpret_cast<Places>(load_up_to(planes + c * squares + i, squares - i)), squares - i);
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
    const int64_t x = column * winograd_outputs, used = width - x < winograd_outputs ? width - x : winograd_outputs;
    for (int r = 0; r < winograd_outputs; r++) {
      V out[winograd_outputs];
      winograd::to_output(columns[r], 1, out, 1);
      for (int c = 0; c < winograd_outputs; c++) out[c] += start;
      for (int c = 0; epilogue && c < winograd_outputs; c++) out[c] = finish(out[c]);
      V* pixels = rows.pixels() + r * width + x;
      if (used == winograd_outputs)
        for (int c = 0; c < winograd_outputs; c++) pixels[c] = out[c];
      else
        for (int64_t c = 0; c < used; c++) pixels[c] = out[c];
    }
  }
  const int64_t inside = height - top < winograd_outputs ? height - top : winograd_outputs;
  if (epilogue && epilogue->pools)
    return pool_rows({image, channels, channel, top, inside, height, width}, rows, *epilogue, images);
  lanes_into_channels(rows.pixels(), inside * width,
                      images + (image * channels + channel) * height * width + top * width, height * width);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
