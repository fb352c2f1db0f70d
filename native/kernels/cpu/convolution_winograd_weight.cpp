// The gradients of 3 x 3 kernels by Winograd's F(4x4, 3x3): the tiles of the input and of the results' gradient are
// transformed, multiplied as 36 matrices [channels out, tiles] x [tiles, channels in], and these transformed back.

#include "base/parallel.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/division.h"
#include "kernels/cpu/product_microkernel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd_kernel.h"
#include "kernels/cpu/winograd_tiles.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

constexpr int L = lanes<float>;

/// The transformed tiles of some strips, [36][tiles, channels].
class TransformedTiles {
 public:
  TransformedTiles(int64_t most_tiles, int64_t channels)
      : channels_(channels), points_(winograd_points * point_distance(most_tiles * channels)) {}

  /// Says that strips [first, last) come now.
  void begin(const Tiling& t, int64_t first, int64_t last) {
    before_ = first * t.columns;
    tiles_ = (last - first) * t.columns;
    point_ = point_distance(tiles_ * channels_);
  }
  template <int taps, auto transform>
  void add(const Tiling& t, Images images, int64_t first, int64_t last, const StripRows& rows) {
    transform_strips<taps, transform>(t, images, channels_, first, last, rows,
                                      {points_.get() - before_ * channels_, point_, channels_});
  }
  int64_t tiles() const { return tiles_; }
  const float* point(int p) const { return points_.get() + p * point_; }

 private:
  int64_t channels_, before_ = 0, tiles_ = 0, point_ = 0;
  Scratch<float> points_;
};

struct WeightGradient {
  Tiling inputs, outputs;
  int64_t in, out;
  Images x, gy;
  float* gw;

  void transform(int64_t first, int64_t last, TransformedTiles& input, TransformedTiles& output) const {
    input.begin(inputs, first, last);
    output.begin(outputs, first, last);
    parallel_for(last - first, 1, [&](int64_t begin, int64_t end) {
      const StripRows rows(inputs);
      input.add<winograd_inputs, winograd::from_input>(inputs, x, first + begin, first + end, rows);
      output.add<winograd_outputs, winograd::from_output>(outputs, gy, first + begin, first + end, rows);
    });
  }
  /// The kernels of `rows` channels out from the gradients of their points, [36][rows, channels in].
  void untransform(int64_t first, int64_t rows, const float* points, int64_t point_step) const {
    for (int64_t r = 0; r < rows; r++)
      for (int64_t i = 0; i < in; i += L)
        untransform_kernels(points + r * in + i, point_step, gw + ((first + r) * in + i) * winograd_taps);
  }
};

/// For large images: some strips after others, their products added to sums of the whole kernel.
class SumsOfStrips {
 public:
  explicit SumsOfStrips(const WeightGradient& job)
      : job_(job),
        point_(point_distance(job.in * job.out)),
        slices_(winograd_points * point_ <= most_repeated && job.inputs.batch >= many ? many : 1),
        sums_(slices_ * winograd_points * point_) {}

  void run() const {
    if (slices_ % num_threads() == 0)
      parallel_for(slices_, 1, [&](int64_t begin, int64_t end) {
        for (int64_t slice = begin; slice < end; slice++) add(slice);
      });
    else
      for (int64_t slice = 0; slice < slices_; slice++) add(slice);
    const float* sums = sums_.get();
    if (slices_ > 1) add_up_slices(sums, slices_, winograd_points * point_, sums_.get());
    const int64_t in = job_.in;
    parallel_for(job_.out, 1 + 4096 / in,
                 [&](int64_t begin, int64_t end) { job_.untransform(begin, end - begin, sums + begin * in, point_); });
  }

 private:
  // Small kernels have sums for each slice of the batch, so that a thread multiplies what it transformed itself and not
  // what comes from another's cache. How many there are does not depend on the number of threads.
  static constexpr int64_t many = 4, most_repeated = 1 << 18;

  /// The strips that are transformed at a time: enough for the products to be worth reading and writing the sums.
  int64_t together() const {
    constexpr int64_t piece_elements = 1 << 20, slice_tiles = 96;
    const Tiling& t = job_.inputs;
    const int64_t tiles =
        slices_ > 1 ? slice_tiles : piece_elements / (winograd_points * (job_.in > job_.out ? job_.in : job_.out));
    const int64_t strips = tiles / t.columns, images = strips / t.rows;
    if (slices_ > 1 && images > 0)
      return images * t.rows;  // so that none begins within an image, whose strips share rows
    return strips > 1 ? smaller_of(strips, t.strips()) : 1;
  }

  void add(int64_t slice) const {
    const Tiling& t = job_.inputs;
    const int64_t begin = slice * t.batch / slices_ * t.rows, end = (slice + 1) * t.batch / slices_ * t.rows;
    const int64_t step = together(), in = job_.in, out = job_.out;
    TransformedTiles input(step * t.columns, in), output(step * t.columns, out);
    float* sums = sums_.get() + slice * winograd_points * point_;
    for (int64_t first = begin; first < end; first += step) {
      job_.transform(first, smaller_of(first + step, end), input, output);
      parallel_for(winograd_points, 1, [&](int64_t begin_point, int64_t end_point) {
        for (int64_t p = begin_point; p < end_point; p++)
          product(out, in / L, input.tiles(), output.point(p), 1, out, input.point(p), in,
                  static_cast<const float*>(nullptr), first > begin, sums + p * point_, in);
      });
    }
  }

  const WeightGradient& job_;
  int64_t point_, slices_;
  Scratch<float> sums_;
};

/// For small images, whose kernel is the larger: all tiles, for some channels out after others, whose sums stay in the
/// cache until they are transformed back.
void multiply_by_channels(const WeightGradient& job) {
  constexpr int64_t piece_elements = 1 << 17;  // of sums
  const int64_t in = job.in, out = job.out, fitting = piece_elements / (winograd_points * in) / tile_rows;
  const int64_t rows = (fitting > 1 ? fitting : 1) * tile_rows, strips = job.inputs.strips();
  TransformedTiles input(job.inputs.tiles(), in), output(job.inputs.tiles(), out);
  job.transform(0, strips, input, output);
  parallel_for(ceil_div(out, rows), 1, [&](int64_t begin, int64_t end) {
    Scratch<float> sums(winograd_points * point_distance(rows * in));
    for (int64_t first = begin * rows; first < smaller_of(end * rows, out); first += rows) {
      const int64_t count = smaller_of(rows, out - first), point = point_distance(count * in);
      for (int p = 0; p < winograd_points; p++)
        product(count, in / L, input.tiles(), output.point(p) + first, 1, out, input.point(p), in,
                static_cast<const float*>(nullptr), false, sums.get() + p * point, in);
      job.untransform(first, count, sums.get(), point);
    }
  });
}

}  // namespace

void winograd_backward_weight(const ConvolutionShape& s, const float* x, ResultGradient<float> gy, float* gw) {
  const Tiling t = tiling_of(s), outputs{s.batch, s.output[1], s.output[2], 0, t.rows, t.columns};
  const WeightGradient job{t, outputs, s.channels_in, s.channels_out, {x}, gy, gw};
  if (t.tiles() < s.channels_out)
    multiply_by_channels(job);
  else
    SumsOfStrips(job).run();
}

}  // namespace ondol::kernel::ONDOL_LEVEL
