// constant_pad_nd: a border of one value, or a crop where the numbers are negative; one fill and one copy.

#include "autograd/node.h"
#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/pointwise.h"

namespace ondol {
namespace {

/// Larger paddings and sizes would overflow the arithmetic on positions.
constexpr int64_t kLargest = int64_t{1} << 60;

/// The part of a tensor that stays, once its negative paddings have been cut off; and with signs turned round, the part
/// of the result that it fills. `pad` begins with the last dimension.
Tensor without_borders(Tensor tensor, const Dims& pad, int sign) {
  Dims sizes = tensor.sizes(), strides = tensor.strides();
  int64_t offset = tensor.impl()->offset;
  for (size_t i = 0; i + 1 < pad.size(); i += 2) {
    size_t dim = sizes.size() - 1 - i / 2;
    int64_t left = std::max<int64_t>(sign * pad[i], 0), right = std::max<int64_t>(sign * pad[i + 1], 0);
    offset += left * strides[dim];
    sizes[dim] = std::max<int64_t>(sizes[dim] - left - right, 0);
  }
  return count_elements(sizes) == 0 ? Tensor() : alias(tensor, sizes, strides, offset);
}

Tensor constant_pad_nd(const Tensor& self, const Dims& pad, const Scalar& value) {
  if (pad.size() % 2 != 0) runtime_error("Length of pad must be even but instead it equals ", pad.size());
  if (pad.ssize() > 2 * self.ndim())
    runtime_error("Length of pad should be no more than twice the number of dimensions of the input. Pad length is ",
                  pad.size(), " while the input has ", self.ndim(), " dimensions.");
  Dims sizes = self.sizes(), opposite;
  for (size_t i = 0; i < pad.size(); i += 2) {
    size_t dim = sizes.size() - 1 - i / 2;
    for (int64_t each : {pad[i], pad[i + 1]})
      if (each > kLargest || each < -kLargest) runtime_error("constant_pad_nd: pad=", pad, " is too large");
    sizes[dim] += pad[i] + pad[i + 1];
    if (sizes[dim] > kLargest) runtime_error("constant_pad_nd: pad=", pad, " is too large for the size ", self.sizes());
    if (sizes[dim] < 0)
      runtime_error("The input size ", self.sizes()[dim], ", plus negative padding ", pad[i], " and ", pad[i + 1],
                    " resulted in a negative output size, which is invalid. Check dimension ", dim, " of your input.");
  }
  if (value.is_complex() && !is_complex(self.dtype()))
    runtime_error("value cannot be converted to type ", name(self.dtype()), " without overflow");

  bool channels_last = self.ndim() == 4 && !self.is_contiguous() && self.is_contiguous(MemoryFormat::ChannelsLast);
  Tensor result =
      channels_last ? empty_strided(sizes, channels_last_strides(sizes), self.dtype()) : empty(sizes, self.dtype());
  {
    NoGrad silent;
    copy_elements(wrapped_number(value), result);
    Tensor source = without_borders(detach(self), pad, -1), target = without_borders(detach(result), pad, 1);
    if (source.defined() && target.defined()) copy_elements(source, target);
  }
  if (needs_gradient(self)) {
    for (int64_t each : pad) opposite.push_back(-each);
    record("ConstantPadNdBackward0", result, {self},
           [opposite](const Tensor& gradient, Gradients& in) { in[0] = constant_pad_nd(gradient, opposite, 0); });
  }
  return result;
}

}  // namespace

void register_padding(Registry& r) {
  r.add("constant_pad_nd(Tensor self, int[] pad, Scalar value=0) -> Tensor", constant_pad_nd, kFunction);
  r.add("nn.constant_pad_nd(Tensor self, int[] pad, Scalar value=0) -> Tensor", constant_pad_nd, kFunction);
}

}  // namespace ondol
