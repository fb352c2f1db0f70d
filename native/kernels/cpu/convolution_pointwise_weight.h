#pragma once

#include "base/parallel.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/product_pack.h"
#include "kernels/cpu/product_parts.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// The gradient of a 1x1 kernel of stride 1: gw [out, in] = the sum over images of gy [out, points] x^T [points, in],
/// both read in place. The right operand has to be turned, so that it should be the one with fewer channels: with more
/// channels in than out, gw^T [in, out] is computed, if turning that costs less. The points of the batch are cut into
/// pieces, and slices of pieces are summed apart, then added up in order, which halves the error at least. Many slices
/// are handed out to the threads; of few, which are large, the threads share each product. How it is cut, depends on
/// the shape alone.
class PointwiseWeightGradient {
 public:
  PointwiseWeightGradient(int64_t batch, int64_t channels_in, int64_t channels_out, int64_t points, const float* x,
                          const float* gy, float* gw)
      : in_(channels_in), out_(channels_out), points_(points), x_(x), gy_(gy), gw_(gw) {
    pieces_of_image_ = (points + longest - 1) / longest;
    pieces_ = batch * pieces_of_image_;
    // Sums of slices are written and read again: at most as much as a quarter of the operands.
    const int64_t affordable = batch * points * (in_ + out_) / (4 * in_ * out_);
    // Many, which threads do not share, should be a multiple of their number.
    slices_ = affordable < 2             ? 2
              : affordable < many_slices ? affordable
              : affordable < most_slices ? many_slices
                                         : most_slices;
    if (slices_ > pieces_) slices_ = pieces_;
    if (pieces_ == 2) slices_ = 1;  // the same sum of two
    turns_result_ = batch * points * (in_ - out_) > 4 * in_ * out_;
  }

  void run() const {
    if (slices_ == 1 && !turns_result_) return add_pieces(0, pieces_, gw_);
    const int64_t size = out_ * in_;
    Scratch<float> sums(slices_ * size), total(turns_result_ ? size : 0);
    auto add_slices = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        add_pieces(pieces_ * i / slices_, pieces_ * (i + 1) / slices_, sums.get() + i * size);
    };
    if (slices_ >= many_slices)
      parallel_for(slices_, 1, add_slices);
    else
      add_slices(0, slices_);
    add_up_slices(sums.get(), slices_, size, turns_result_ ? total.get() : gw_);
    if (turns_result_) turn(total.get());
  }

 private:
  static constexpr int64_t longest = 384, many_slices = 8, most_slices = 16;

  void add_pieces(int64_t first, int64_t last, float* sums) const {
    for (int64_t piece = first; piece < last; piece++) {
      const int64_t image = piece / pieces_of_image_, i = piece % pieces_of_image_;
      const int64_t begin = points_ * i / pieces_of_image_, end = points_ * (i + 1) / pieces_of_image_;
      const float *gy = gy_ + image * out_ * points_ + begin, *x = x_ + image * in_ * points_ + begin;
      const float *left = turns_result_ ? x : gy, *right = turns_result_ ? gy : x;
      const int64_t rows = turns_result_ ? in_ : out_, columns = turns_result_ ? out_ : in_;
      multiply_product(
          {rows, columns, end - begin, {left, points_, 1}, {right, 1, points_}, nullptr, piece > first, sums, columns});
    }
  }

  /// gw from gw^T.
  void turn(const float* from) const {
    constexpr int64_t L = lanes<float>;
    parallel_for(in_ / L, grain_for(1 << 14, L, out_), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * L; i < end * L; i += L) pack_columns(from + i * out_, out_, L, out_, gw_ + i, in_);
    });
    for (int64_t i = in_ / L * L; i < in_; i++)
      for (int64_t o = 0; o < out_; o++) gw_[o * in_ + i] = from[i * out_ + o];
  }

  int64_t in_, out_, points_, pieces_of_image_, pieces_, slices_;
  bool turns_result_;
  const float *x_, *gy_;
  float* gw_;
};

/// Whether a kernel has one tap and no padding, so that the points at which it reads are apart by its strides.
inline bool is_pointwise(const PatchGather& gather) {
  return gather.taps == 1 && gather.offsets[0] == 0 && gather.offsets[1] == 0 && gather.offsets[2] == 0;
}

/// The gradient of any 1x1 kernel without padding. Points that lie apart are brought together first, and those of
/// images of few points, each of which would make a short sum, are laid end to end.
inline void pointwise_weight_gradient(const PatchGather& gather, int64_t channels_out, const float* x, const float* gy,
                                      float* gw) {
  constexpr int64_t least_points = 64;
  const int64_t batch = gather.batch, channels_in = gather.channels, points = gather.point_count();
  const bool end_to_end = batch > 1 && points < least_points, apart = !gather.reads_in_order();
  const auto place = [&](int64_t image, int64_t channel, int64_t channels) {
    return (end_to_end ? channel * batch + image : image * channels + channel) * points;
  };
  Scratch<float> x_points(end_to_end || apart ? batch * channels_in * points : 0);
  Scratch<float> gy_points(end_to_end ? batch * channels_out * points : 0);
  if (end_to_end || apart)
    parallel_for(channels_in, grain_for(1 << 14, batch, points), [&](int64_t begin, int64_t end) {
      for (int64_t image = 0; image < batch; image++)
        for (int64_t c = begin; c < end; c++)
          copy_points(gather, x + (image * channels_in + c) * gather.source_size(),
                      x_points.get() + place(image, c, channels_in));
    });
  if (end_to_end)
    parallel_for(channels_out, grain_for(1 << 14, batch, points), [&](int64_t begin, int64_t end) {
      for (int64_t image = 0; image < batch; image++)
        for (int64_t c = begin; c < end; c++)
          copy_strided(gy_points.get() + place(image, c, channels_out), gy + (image * channels_out + c) * points,
                       points, 1);
    });
  PointwiseWeightGradient(end_to_end ? 1 : batch, channels_in, channels_out, end_to_end ? batch * points : points,
                          end_to_end || apart ? x_points.get() : x, end_to_end ? gy_points.get() : gy, gw)
      .run();
}

}  // namespace ondol::kernel::ONDOL_LEVEL
