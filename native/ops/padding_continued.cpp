// Padding that continues a tensor: by its reflection, its border or its other end (reflect, replicate, circular).

#include <cstring>

#include "base/memory.h"
#include "base/parallel.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

enum class Continuation { Reflect, Replicate, Circular };

Continuation parse_continuation(std::string_view word) {
  if (word == "reflect") return Continuation::Reflect;
  if (word == "replicate") return Continuation::Replicate;
  if (word == "circular") return Continuation::Circular;
  not_implemented("Unrecognised padding mode ", word, ": use 'reflect', 'replicate' or 'circular'");
}

/// Which element of a dimension stands at each place of the padded one. What is cut off by negative numbers does not
/// come round again.
std::vector<int64_t> places_of(int64_t size, int64_t left, int64_t right, Continuation mode) {
  const int64_t first = std::max<int64_t>(-left, 0), kept = size - first - std::max<int64_t>(-right, 0);
  std::vector<int64_t> places = list_with_room<int64_t>(size + left + right);
  for (int64_t at = -left; at < size + right; ++at) switch (mode) {
      case Continuation::Reflect:
        places.push_back((size - 1) - std::abs((size - 1) - std::abs(at)));
        break;
      case Continuation::Replicate:
        places.push_back(std::clamp<int64_t>(at, 0, size - 1));
        break;
      case Continuation::Circular:
        places.push_back(first + ((at - first) % kept + kept) % kept);
        break;
    }
  return places;
}

/// The last dimensions of a tensor as planes of rows: padded row r is made of row rows[r] of its plane, and in it
/// element j of element columns[j].
struct Layout {
  Dims old_sizes, new_sizes;
  int64_t planes = 1, old_rows = 1, old_columns = 1;
  std::vector<int64_t> rows, columns;
  int64_t run_begin = 0, run_length = 0;  // where columns go up one by one for longest
};

void check_pair(const char* mode, Continuation kind, const Dims& sizes, int64_t dim, int64_t left, int64_t right) {
  const int64_t size = sizes[dim];
  constexpr int64_t kLargest = int64_t{1} << 40;
  if (left > kLargest || right > kLargest || left < -kLargest || right < -kLargest)
    runtime_error("pad(): padding (", left, ", ", right, ") is too large");
  if (size == 0 && left + right > 0)
    runtime_error("pad(): dimension ", dim, " of input ", sizes, " is empty and has nothing to continue");
  if (kind == Continuation::Reflect && (left >= size || right >= size))
    runtime_error("Padding size should be less than the corresponding input dimension, but got: padding (", left, ", ",
                  right, ") at dimension ", dim, " of input ", sizes);
  if (kind == Continuation::Circular && (left > size || right > size))
    runtime_error("Padding value causes wrapping around more than once: padding (", left, ", ", right,
                  ") at dimension ", dim, " of input ", sizes);
  if (size + left + right < (kind == Continuation::Circular ? 0 : 1))
    runtime_error("Negative padding (", left, ", ", right, ") leaves nothing of dimension ", dim, ", which has size ",
                  size);
  if (kind == Continuation::Circular && size + std::min<int64_t>(left, 0) + std::min<int64_t>(right, 0) <= 0 &&
      size + left + right > 0)
    runtime_error("pad(): mode ", mode, " with padding (", left, ", ", right, ") cuts everything off dimension ", dim,
                  " of input ", sizes, ", and has nothing to continue");
}

Layout plan_layout(const Dims& sizes, const Dims& pad, std::string_view word) {
  const Continuation mode = parse_continuation(word);
  if (pad.empty() || pad.size() % 2 != 0 || pad.size() / 2 > sizes.size())
    runtime_error("pad(): expected pairs of numbers for at most ", sizes.size(), " dimensions, got ", pad);
  const int64_t ndim = sizes.ssize(), padded = pad.ssize() / 2;
  const auto left = [&](int64_t d) { return pad[2 * (ndim - 1 - d)]; };
  const auto right = [&](int64_t d) { return pad[2 * (ndim - 1 - d) + 1]; };
  Layout layout;
  layout.old_sizes = layout.new_sizes = sizes;
  for (int64_t d = ndim - padded; d < ndim; ++d) {
    check_pair(std::string(word).c_str(), mode, sizes, d, left(d), right(d));
    layout.new_sizes[d] = sizes[d] + left(d) + right(d);
  }
  if (count_elements(layout.new_sizes) == 0) return layout;  // whose other dimensions may be beyond counting
  for (int64_t d = 0; d < ndim - padded; ++d) layout.planes *= sizes[d];
  layout.rows = {0};
  for (int64_t d = ndim - padded; d < ndim; ++d) {
    std::vector<int64_t> places = places_of(sizes[d], left(d), right(d), mode);
    if (d == ndim - 1) {
      layout.old_columns = sizes[d];
      layout.columns = std::move(places);
      break;
    }
    std::vector<int64_t> rows = list_with_room<int64_t>(static_cast<int64_t>(layout.rows.size() * places.size()));
    for (int64_t row : layout.rows)
      for (int64_t place : places) rows.push_back(row * sizes[d] + place);
    layout.rows = std::move(rows);
    layout.old_rows *= sizes[d];
  }
  const auto count = static_cast<int64_t>(layout.columns.size());
  for (int64_t begin = 0, end; begin < count; begin = end) {
    for (end = begin + 1; end < count && layout.columns[end] == layout.columns[end - 1] + 1;) ++end;
    if (end - begin > layout.run_length) layout.run_begin = begin, layout.run_length = end - begin;
  }
  return layout;
}

template <class T>
void continue_planes(const Layout& l, const T* x, T* y) {
  const auto rows = static_cast<int64_t>(l.rows.size()), columns = static_cast<int64_t>(l.columns.size());
  const int64_t run_end = l.run_begin + l.run_length;
  parallel_for(l.planes * rows, grain_for(16384, columns), [&](int64_t begin, int64_t end) {
    const T* plane = x + begin / rows * l.old_rows * l.old_columns;
    for (int64_t row = begin, r = begin % rows; row < end; ++row, ++r) {
      if (r == rows) r = 0, plane += l.old_rows * l.old_columns;
      const T* from = plane + l.rows[r] * l.old_columns;
      T* to = y + row * columns;
      for (int64_t j = 0; j < l.run_begin; ++j) to[j] = from[l.columns[j]];
      std::memcpy(to + l.run_begin, from + l.columns[l.run_begin], static_cast<size_t>(l.run_length) * sizeof(T));
      for (int64_t j = run_end; j < columns; ++j) to[j] = from[l.columns[j]];
    }
  });
}

/// The transpose: each element of y is added to the one it was taken from.
template <class T>
void gather_planes(const Layout& l, const T* y, T* x) {
  const auto rows = static_cast<int64_t>(l.rows.size()), columns = static_cast<int64_t>(l.columns.size());
  const int64_t run_end = l.run_begin + l.run_length, plane = l.old_rows * l.old_columns;
  parallel_for(l.planes, grain_for(16384, rows, columns), [&](int64_t begin, int64_t end) {
    std::fill(x + begin * plane, x + end * plane, T(0));
    for (int64_t row = begin * rows; row < end * rows; ++row) {
      const T* from = y + row * columns;
      T* to = x + (row / rows * l.old_rows + l.rows[row % rows]) * l.old_columns;
      for (int64_t j = 0; j < l.run_begin; ++j) to[l.columns[j]] += from[j];
      T* run = to + l.columns[l.run_begin];
      for (int64_t j = 0; j < l.run_length; ++j) run[j] += from[l.run_begin + j];
      for (int64_t j = run_end; j < columns; ++j) to[l.columns[j]] += from[j];
    }
  });
}

Tensor moved(const std::shared_ptr<const Layout>& layout, const Tensor& x, bool forward) {
  const Dtype dtype = x.dtype();
  Tensor y;
  {
    NoGrad silent;
    if (forward) {
      Tensor source = contiguous(detach(x));
      y = empty(layout->new_sizes, dtype);
      if (y.numel() > 0)
        launch({{&source}, {&y}}, y.numel(), [&] {
          visit_item_size(dtype, [&](auto tag) {
            using T = typename decltype(tag)::type;
            continue_planes(*layout, reinterpret_cast<const T*>(source.bytes()), reinterpret_cast<T*>(y.bytes()));
          });
        });
    } else {
      const Dtype compute = is_complex(dtype) ? dtype : reduction_dtype(dtype);
      Tensor source = contiguous(to_dtype(detach(x), compute));
      y = zeros(layout->old_sizes, compute);
      if (x.numel() > 0 && y.numel() > 0)
        launch({{&source}, {&y}}, x.numel(), [&] {
          visit_dtype(compute, [&](auto tag) {
            using T = typename decltype(tag)::type;
            if constexpr (!std::is_same_v<T, Half> && !std::is_same_v<T, BFloat16> && !std::is_same_v<T, bool>)
              gather_planes(*layout, source.data<T>(), y.data<T>());
          });
        });
      y = to_dtype(y, dtype);
    }
  }
  if (needs_gradient(x))
    record(forward ? "ContinuedPadBackward0" : "ContinuedPadBackwardBackward0", y, {x},
           [=](const Tensor& g, Gradients& in) { in[0] = moved(layout, g, !forward); });
  return y;
}

Tensor continued_pad(const Tensor& input, const Dims& pad, std::string_view mode) {
  return moved(std::make_shared<const Layout>(plan_layout(input.sizes(), pad, mode)), input, true);
}

}  // namespace

void register_padding_continued(Registry& r) {
  r.add("nn.continued_pad(Tensor input, int[] pad, str mode) -> Tensor", continued_pad);
}

}  // namespace ondol
