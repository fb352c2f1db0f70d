// constant_pad_nd: a border of one value, or a crop where the numbers are negative. Row by row where memory is
// contiguous, otherwise by one fill and one copy.

#include <cstring>
#include <vector>

#include "autograd/node.h"
#include "base/parallel.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/launch.h"
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

/// Rows of contiguous memory: padded row r of a plane is row rows[r] of the old one, or nothing but border (-1).
struct RowLayout {
  int64_t planes = 1, old_rows = 1, old_columns = 0, columns = 0;
  int64_t left = 0, kept_from = 0, kept = 0;  // in a row: the border in front, and the part of the old one that stays
  std::vector<int64_t> rows{0};
};

RowLayout plan_rows(const Dims& sizes, const Dims& pad) {
  RowLayout layout;
  const int64_t ndim = sizes.ssize(), first_padded = ndim - pad.ssize() / 2;
  for (int64_t d = 0; d + 1 < ndim; ++d) {
    if (d < first_padded) {
      layout.planes *= sizes[d];
      continue;
    }
    const int64_t before = pad[2 * (ndim - 1 - d)], after = pad[2 * (ndim - 1 - d) + 1];
    std::vector<int64_t> rows;
    for (int64_t row : layout.rows)
      for (int64_t at = -before; at < sizes[d] + after; ++at)
        rows.push_back(row >= 0 && at >= 0 && at < sizes[d] ? row * sizes[d] + at : -1);
    layout.rows = std::move(rows);
    layout.old_rows *= sizes[d];
  }
  layout.old_columns = sizes[ndim - 1];
  layout.columns = layout.old_columns + pad[0] + pad[1];
  layout.left = std::min(std::max<int64_t>(pad[0], 0), layout.columns);
  layout.kept_from = std::max<int64_t>(-pad[0], 0);
  const int64_t kept_to = layout.old_columns - std::max<int64_t>(-pad[1], 0);
  layout.kept = std::max<int64_t>(kept_to - layout.kept_from, 0);
  return layout;
}

/// One pass over the result.
template <class T>
void pad_rows(const RowLayout& l, const T* x, T value, T* y) {
  const auto rows = static_cast<int64_t>(l.rows.size());
  parallel_for(l.planes * rows, grain_for(16384, l.columns), [&](int64_t begin, int64_t end) {
    const T* plane = x + begin / rows * l.old_rows * l.old_columns;
    for (int64_t row = begin, r = begin % rows; row < end; ++row, ++r) {
      if (r == rows) r = 0, plane += l.old_rows * l.old_columns;
      T* to = y + row * l.columns;
      if (l.rows[r] < 0) {
        std::fill_n(to, l.columns, value);
        continue;
      }
      std::fill_n(to, l.left, value);
      if (l.kept > 0)  // the old one may have no memory at all
        std::memcpy(to + l.left, plane + l.rows[r] * l.old_columns + l.kept_from,
                    static_cast<size_t>(l.kept) * sizeof(T));
      std::fill_n(to + l.left + l.kept, l.columns - l.left - l.kept, value);
    }
  });
}

void pad_contiguous(const Tensor& source, const Dims& pad, const Scalar& value, const Tensor& result) {
  if (result.numel() == 0) return;
  const RowLayout layout = plan_rows(source.sizes(), pad);
  Tensor border = empty({}, result.dtype());
  copy_elements(wrapped_number(value), border);
  launch({{&source, &border}, {&result}}, result.numel(), [&] {
    visit_item_size(result.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      pad_rows(layout, reinterpret_cast<const T*>(source.bytes()), *reinterpret_cast<const T*>(border.bytes()),
               reinterpret_cast<T*>(result.bytes()));
    });
  });
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
    if (self.is_contiguous() && result.is_contiguous() && !pad.empty()) {
      pad_contiguous(detach(self), pad, value, result);
    } else {
      copy_elements(wrapped_number(value), result);
      Tensor source = without_borders(detach(self), pad, -1), target = without_borders(detach(result), pad, 1);
      if (source.defined() && target.defined()) copy_elements(source, target);
    }
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
