// Where: nonzero, argwhere, searchsorted, bucketize.

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "base/parallel.h"
#include "base/vectorize.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {

namespace {

int64_t count_true(const uint8_t* flags, int64_t n) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) count += flags[i] != 0;
  return count;
}

/// Calls found(i) for each i in [0, n) whose flag is set; words of eight flags without any are skipped as a whole.
template <class Found>
inline void for_each_true(const uint8_t* flags, int64_t n, Found found) {
  int64_t i = 0;
  for (uint64_t word; i + 8 <= n; i += 8) {
    std::memcpy(&word, flags + i, 8);  // of bytes 0 and 1, the lowest first
    for (; word; word &= word - 1) found(i + std::countr_zero(word) / 8);
  }
  for (; i < n; ++i)
    if (flags[i]) found(i);
}

/// Writes the positions of the elements that are true among [begin, end) of a row-major tensor, `out` being the place
/// of the first.
void write_positions(const uint8_t* flags, const Dims& sizes, int64_t begin, int64_t end, int64_t* out) {
  const size_t last = sizes.size() - 1;
  const int64_t row_length = sizes[last];
  Dims position(sizes.size(), 0);
  int64_t rest = begin / row_length;
  for (size_t d = last; d-- > 0;) {
    position[d] = rest % sizes[d];
    rest /= sizes[d];
  }
  for (int64_t at = begin; at < end;) {
    const int64_t column = at % row_length, n = std::min(row_length - column, end - at);
    if (last == 1)  // the usual matrix
      for_each_true(flags + at, n, [&, row = position[0]](int64_t i) {
        out[0] = row;
        out[1] = column + i;
        out += 2;
      });
    else
      for_each_true(flags + at, n, [&](int64_t i) {
        out = std::copy(position.begin(), position.end() - 1, out);
        *out++ = column + i;
      });
    at += n;
    for (size_t d = last; d-- > 0 && ++position[d] == sizes[d];) position[d] = 0;
  }
}

}  // namespace

Tensor nonzero(const Tensor& self) {
  constexpr int64_t kPerTask = 1 << 15, kMostTasks = 64;
  NoGrad silent;
  Tensor flags = contiguous(self.dtype() == Dtype::Bool ? detach(self) : ne(detach(self), wrapped_number(0)));
  const auto* flag = reinterpret_cast<const uint8_t*>(flags.bytes());
  // How many each part holds tells where the next one's positions go.
  const int64_t total = flags.numel(), ndim = self.ndim(), share = std::max(kPerTask, total / kMostTasks + 1);
  std::vector<int64_t> first(static_cast<size_t>((total + share - 1) / share) + 1, 0);
  const int64_t parts = static_cast<int64_t>(first.size()) - 1;
  auto begin_of = [&](int64_t part) { return std::min(part * share, total); };
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      first[static_cast<size_t>(p) + 1] = count_true(flag + begin_of(p), begin_of(p + 1) - begin_of(p));
  });
  std::partial_sum(first.begin(), first.end(), first.begin());
  Tensor result = empty({first.back(), ndim}, Dtype::I64);
  if (first.back() == 0 || ndim == 0) return result;
  auto* out = result.data<int64_t>();
  launch({{&flags}, {&result}}, total, [&] {
    parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p)
        write_positions(flag, self.sizes(), begin_of(p), begin_of(p + 1), out + first[static_cast<size_t>(p)] * ndim);
    });
  });
  return result;
}

namespace {

/// One tensor of positions for each dimension; a number counts as 1-d.
std::vector<Tensor> nonzero_columns(const Tensor& self) {
  Tensor positions = nonzero(self.ndim() ? self : unsqueeze(detach(self), 0));
  std::vector<Tensor> columns;
  for (int64_t d = 0; d < positions.size(1); ++d) columns.push_back(select(positions, 1, d));
  return columns;
}
Value nonzero_either(const Tensor& self, bool as_tuple) {
  if (as_tuple) return nonzero_columns(self);
  return nonzero(self);
}

enum class Side { Left, Right };

/// The number of elements of an ascending row before which `value` belongs. Without branches, which values in no order
/// make unpredictable.
template <class T, class Order>
int64_t insertion_point(const T* row, int64_t n, T value, Side side, Order at) {
  const auto wide = widened(value);
  const auto before = [&](int64_t i) {
    const auto element = widened(row[at(i)]);
    return static_cast<int64_t>(side == Side::Left ? !(element >= wide) : !(element > wide));
  };
  if (n == 0) return 0;
  int64_t low = 0;
  while (n > 1) {
    const int64_t half = n / 2;
    low += half & -before(low + half - 1);
    n -= half;
  }
  return low + before(low);
}

/// The same for a block of values in one row, which take the steps together: a loop over the block reads with vectors.
constexpr int64_t kBlock = 16;
template <Side kSide, class T>
[[gnu::always_inline]] inline void insertion_points(const T* row, int32_t n, const T* values, int64_t* out) {
  const auto before = [](T element, T value) { return kSide == Side::Left ? !(element >= value) : !(element > value); };
  int32_t low[kBlock] = {};
  while (n > 1) {
    const int32_t half = n / 2;
    const T* middle = row + half - 1;
    for (int64_t j = 0; j < kBlock; ++j) low[j] += before(middle[low[j]], values[j]) ? half : 0;
    n -= half;
  }
  for (int64_t j = 0; j < kBlock; ++j) out[j] = low[j] + (before(row[low[j]], values[j]) ? 1 : 0);
}
template <Side kSide, class T>
ONDOL_VECTORIZE ONDOL_WIDE void wide_insertion_points(const T* row, int32_t n, const T* values, int64_t* out) {
  insertion_points<kSide>(row, n, values, out);
}
template <Side kSide, class T>
ONDOL_VECTORIZE void plain_insertion_points(const T* row, int32_t n, const T* values, int64_t* out) {
  insertion_points<kSide>(row, n, values, out);
}
template <class T>
auto block_search(Side side) {
  if (side == Side::Left)
    return wide_vectors() ? wide_insertion_points<Side::Left, T> : plain_insertion_points<Side::Left, T>;
  return wide_vectors() ? wide_insertion_points<Side::Right, T> : plain_insertion_points<Side::Right, T>;
}
template <class T>
constexpr bool kSearchedInBlocks = std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, int64_t>;

struct Search {
  Tensor boundaries;  // contiguous, [rows, n] or [n]
  Tensor sorter;      // undefined, or positions of boundaries in ascending order
  Side side;
  bool int32;
};

Tensor search(const Search& task, const Tensor& values) {
  NoGrad silent;
  Dtype dtype = task.boundaries.dtype();
  int64_t n = task.boundaries.ndim() ? task.boundaries.size(-1) : 1;
  int64_t rows = task.boundaries.ndim() > 1
                     ? count_elements(Dims(task.boundaries.sizes().begin(), task.boundaries.sizes().end() - 1))
                     : 1;
  Tensor wanted = contiguous(values), result = empty(values.sizes(), Dtype::I64);
  int64_t each = rows ? wanted.numel() / std::max<int64_t>(rows, 1) : 0;
  auto* out = result.data<int64_t>();
  const int64_t* order = task.sorter.defined() ? task.sorter.data<int64_t>() : nullptr;
  launch({{&task.boundaries, &wanted}, {&result}}, wanted.numel() * 8, [&] {
    visit_dtype(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (!std::is_same_v<T, c64> && !std::is_same_v<T, c128>) {
        const T *bounds = task.boundaries.data<T>(), *value = wanted.data<T>();
        parallel_for(wanted.numel(), 2048, [&](int64_t begin, int64_t end) {
          int64_t i = begin;
          if constexpr (kSearchedInBlocks<T>) {
            if (!order && rows == 1 && n > 0 && n <= INT32_MAX)
              for (auto points = block_search<T>(task.side); i + kBlock <= end; i += kBlock)
                points(bounds, static_cast<int32_t>(n), value + i, out + i);
          }
          for (; i < end; ++i) {
            int64_t start = rows > 1 ? i / each * n : 0;
            out[i] = order ? insertion_point(bounds + start, n, value[i], task.side,
                                             [=](int64_t k) { return order[start + k]; })
                           : insertion_point(bounds + start, n, value[i], task.side, [](int64_t k) { return k; });
          }
        });
      }
    });
  });
  return task.int32 ? to_dtype(result, Dtype::I32) : result;
}

Side chosen_side(const char* operation, bool right, std::optional<std::string_view> side) {
  if (!side) return right ? Side::Right : Side::Left;
  if (*side != "left" && *side != "right")
    runtime_error(operation, "(): side can only be 'left' or 'right' but got ", *side);
  if (right && *side == "left")
    runtime_error(operation, "(): side and right can't be set to opposites, got side of left while right was True");
  return *side == "right" ? Side::Right : Side::Left;
}

/// Both in their promoted dtype.
Tensor search_sorted(const char* operation, const Tensor& boundaries, const Tensor& values, bool int32, Side side,
                     const Tensor& sorter) {
  if (is_complex(boundaries.dtype()) || is_complex(values.dtype()))
    runtime_error(operation, "(): does not support complex inputs");
  if (boundaries.ndim() == 0)
    runtime_error(operation, "(): boundaries tensor must have at least 1 dimension, but got 0-d");
  bool matches = boundaries.ndim() == 1 || boundaries.ndim() == values.ndim();
  for (int64_t d = 0; matches && boundaries.ndim() > 1 && d + 1 < boundaries.ndim(); ++d)
    matches = boundaries.sizes()[d] == values.sizes()[d];
  if (!matches)
    runtime_error(
        operation,
        "(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value "
        "tensor must match, but we got boundaries tensor ",
        boundaries.sizes(), " and input value tensor ", values.sizes());
  NoGrad silent;
  const Tensor both[] = {detach(boundaries), detach(values)};
  Dtype dtype = promote(both);
  Search task{contiguous(to_dtype(both[0], dtype)), {}, side, int32};
  if (sorter.defined()) {
    if (sorter.sizes() != boundaries.sizes())
      runtime_error(operation, "(): boundary and sorter must have the same size, but got boundary tensor ",
                    boundaries.sizes(), " and got sorter tensor ", sorter.sizes());
    if (sorter.dtype() != Dtype::I64)
      runtime_error(operation, "(): sorter must be a tensor of long dtype but got dtype ", torch_name(sorter.dtype()));
    task.sorter = contiguous(detach(sorter));
    int64_t n = boundaries.size(-1);
    const auto* order = task.sorter.data<int64_t>();
    for (int64_t i = 0; i < task.sorter.numel(); ++i)
      if (order[i] < 0 || order[i] >= n)
        index_error(operation, "(): sorter index ", order[i], " is out of bounds for dimension ", boundaries.ndim() - 1,
                    " with size ", n);
  }
  return search(task, to_dtype(both[1], dtype));
}

Tensor searchsorted(const Tensor& sequence, const Tensor& values, bool int32, bool right,
                    std::optional<std::string_view> side, const Tensor& sorter) {
  return search_sorted("torch.searchsorted", sequence, values, int32, chosen_side("torch.searchsorted", right, side),
                       sorter);
}
Tensor bucketize(const Tensor& values, const Tensor& boundaries, bool int32, bool right) {
  if (boundaries.ndim() != 1)
    runtime_error("boundaries tensor must be 1 dimension, but got dim(", boundaries.ndim(), ")");
  return search_sorted("torch.bucketize", boundaries, values, int32, right ? Side::Right : Side::Left, {});
}

}  // namespace

void register_search(Registry& r) {
  r.add("nonzero(Tensor self) -> Tensor", nonzero);
  r.add("nonzero.as_tuple(Tensor self, *, bool as_tuple) -> Tensor[]", nonzero_either);
  r.add("argwhere(Tensor self) -> Tensor", nonzero);
  r.add("where.condition(Tensor condition) -> Tensor[]", nonzero_columns);
  r.add(
      "searchsorted(Tensor sorted_sequence, Tensor|Scalar input, *, bool out_int32=False, bool right=False, str? "
      "side=None, "
      "Tensor? sorter=None) -> Tensor",
      searchsorted);
  r.add("bucketize(Tensor|Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
        bucketize, kFunction);
}

}  // namespace ondol
