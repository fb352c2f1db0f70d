#pragma once

#include "base/parallel.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/product_parts.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// The gradient of a 1x1 kernel of stride 1: gw [out, in] = the sum over images of gy [out, points] x^T [points, in],
/// both read in place. The points of the batch are cut into pieces, and slices of pieces are summed apart, then added
/// up in order, which halves the error at least. Many slices are handed out to the threads; of few, which are large,
/// the threads share each product. How it is cut, depends on the shape alone.
class PointwiseWeightGradient {
 public:
  PointwiseWeightGradient(int64_t batch, int64_t channels_in, int64_t channels_out, int64_t points, const float* x,
                          const float* gy, float* gw)
      : in_(channels_in), out_(channels_out), points_(points), x_(x), gy_(gy), gw_(gw) {
    pieces_of_image_ = (points + longest - 1) / longest;
    pieces_ = batch * pieces_of_image_;
    // Sums of slices are written and read again: at most as much as a quarter of the operands.
    const int64_t affordable = batch * points * (in_ + out_) / (4 * in_ * out_);
    slices_ = affordable < 2 ? 2 : affordable < most_slices ? affordable : most_slices;
    if (slices_ > pieces_) slices_ = pieces_;
  }

  void run() const {
    if (slices_ == 1) return add_pieces(0, pieces_, gw_);
    const int64_t size = out_ * in_;
    Scratch<float> sums(slices_ * size);
    auto add_slices = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        add_pieces(pieces_ * i / slices_, pieces_ * (i + 1) / slices_, sums.get() + i * size);
    };
    if (slices_ >= many_slices)
      parallel_for(slices_, 1, add_slices);
    else
      add_slices(0, slices_);
    add_up_slices(sums.get(), slices_, size, gw_);
  }

 private:
  static constexpr int64_t longest = 384, many_slices = 8, most_slices = 16;

  void add_pieces(int64_t first, int64_t last, float* sums) const {
    for (int64_t piece = first; piece < last; piece++) {
      const int64_t image = piece / pieces_of_image_, i = piece % pieces_of_image_;
      const int64_t begin = points_ * i / pieces_of_image_, end = points_ * (i + 1) / pieces_of_image_;
      const MatrixView gy = {gy_ + image * out_ * points_ + begin, points_, 1};
      const MatrixView x_turned = {x_ + image * in_ * points_ + begin, 1, points_};
      multiply_product({out_, in_, end - begin, gy, x_turned, nullptr, piece > first, sums, in_});
    }
  }

  int64_t in_, out_, points_, pieces_of_image_, pieces_, slices_;
  const float *x_, *gy_;
  float* gw_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
