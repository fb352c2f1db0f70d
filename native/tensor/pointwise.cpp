#include "tensor/pointwise.h"

#include <array>
#include <cstring>

#include "base/parallel.h"
#include "kernels/table.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

constexpr int kMaxOperands = 4;
constexpr int64_t kChunk = 512;            // elements converted at a time: the buffers stay in the first-level cache
constexpr int64_t kParallelGrain = 32768;  // fewer elements than this are not worth a second thread

/// One side of a loop: where its elements lie while the loop walks the (merged) dimensions of the result.
struct Side {
  char* data;
  Dtype dtype;
  Dims strides;  // in bytes, one for each merged dimension, 0 where it broadcasts
};

/// The walk over all elements: dimensions from outer to inner, those that lie one behind the other in every side
/// merged.
struct Walk {
  Dims sizes;
  std::array<Side, kMaxOperands + 1> sides;  // the result first
  int count = 0;
};

Dims byte_strides(const Tensor& tensor, const Dims& shape) {
  Dims strides(shape.size(), 0);
  size_t shift = shape.size() - tensor.sizes().size();
  auto bytes = static_cast<int64_t>(item_size(tensor.dtype()));
  for (size_t i = 0; i < tensor.sizes().size(); ++i)
    if (tensor.sizes()[i] != 1) strides[shift + i] = tensor.strides()[i] * bytes;
  return strides;
}

/// Sorts the dimensions so that the result is walked in the order of its memory, then merges neighbours.
void arrange(Walk& walk, const Dims& shape) {
  Dims order;
  for (int64_t i = 0; i < shape.ssize(); ++i)
    if (shape[i] != 1) order.push_back(i);
  const Dims& lead = walk.sides[0].strides;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return lead[a] > lead[b]; });

  std::array<Dims, kMaxOperands + 1> merged;
  for (int64_t dim : order) {
    bool joins = !walk.sizes.empty();
    for (int s = 0; joins && s < walk.count; ++s) joins = merged[s].back() == walk.sides[s].strides[dim] * shape[dim];
    for (int s = 0; s < walk.count; ++s) {
      if (joins)
        merged[s].back() = walk.sides[s].strides[dim];
      else
        merged[s].push_back(walk.sides[s].strides[dim]);
    }
    if (joins)
      walk.sizes.back() *= shape[dim];
    else
      walk.sizes.push_back(shape[dim]);
  }
  if (walk.sizes.empty()) {
    walk.sizes.push_back(1);
    for (int s = 0; s < walk.count; ++s) merged[s].push_back(0);
  }
  for (int s = 0; s < walk.count; ++s) walk.sides[s].strides = std::move(merged[s]);
}

/// Calls body(pointers, n) for pieces of the innermost dimension, over the elements [begin, end) of the walk.
template <class Body>
void for_each_run(const Walk& walk, int64_t begin, int64_t end, Body&& body) {
  const int64_t inner = walk.sizes.back(), outer_dims = walk.sizes.ssize() - 1;
  std::array<char*, kMaxOperands + 1> rows, pointers;  // where the rows begin, and what the body gets
  Dims index(static_cast<size_t>(outer_dims), 0);
  for (int s = 0; s < walk.count; ++s) rows[s] = walk.sides[s].data;
  int64_t rest = begin / inner;
  for (int64_t dim = outer_dims - 1; dim >= 0; --dim) {
    index[dim] = rest % walk.sizes[dim];
    rest /= walk.sizes[dim];
    for (int s = 0; s < walk.count; ++s) rows[s] += index[dim] * walk.sides[s].strides[dim];
  }
  for (int64_t at = begin, offset = begin % inner; at < end; offset = 0) {
    for (int s = 0; s < walk.count; ++s) pointers[s] = rows[s] + offset * walk.sides[s].strides[outer_dims];
    const int64_t n = std::min(inner - offset, end - at);
    body(pointers, n);
    at += n;
    for (int64_t dim = outer_dims - 1; dim >= 0; --dim) {  // the next row
      for (int s = 0; s < walk.count; ++s) rows[s] += walk.sides[s].strides[dim];
      if (++index[dim] < walk.sizes[dim]) break;
      for (int s = 0; s < walk.count; ++s) rows[s] -= walk.sizes[dim] * walk.sides[s].strides[dim];
      index[dim] = 0;
    }
  }
}

Dtype computing_dtype(const Pointwise& formula, Dtype dtype) {
  if (formula.u8 && (dtype == Dtype::Bool || dtype == Dtype::U8)) return dtype;
  switch (category(dtype)) {
    case Category::Bool:
    case Category::Integral:
      return Dtype::I64;
    case Category::Complex:
      return Dtype::C128;
    default:
      return dtype == Dtype::F64 ? Dtype::F64 : Dtype::F32;
  }
}

PointwiseLoop loop_for(const Pointwise& formula, Dtype computing) {
  switch (computing) {
    case Dtype::F32:
      return formula.f32;
    case Dtype::F64:
      return formula.f64;
    case Dtype::I64:
      return formula.i64;
    case Dtype::Bool:
    case Dtype::U8:
      return formula.u8;
    default:
      return formula.c128;
  }
}

/// Dtypes without arithmetic are compared for equality, and that is all.
void check_computes(const Pointwise& formula, Dtype dtype) {
  if (!is_storage_only(dtype)) return;
  const std::string_view name = formula.name;
  if (name == "eq" || name == "ne") return;
  if (is_float8(dtype) && (name == "isnan" || name == "isinf" || name == "isfinite")) return;
  not_implemented("\"", name, "\" not implemented for '", torch_name(dtype), "': ", ondol::name(dtype),
                  " is stored and converted; convert it first, with .to(", is_float8(dtype) ? "float32" : "int64", ")");
}

auto converter(Dtype from, Dtype to) {
  return kernel::table().conversion.convert[static_cast<int>(from)][static_cast<int>(to)];
}

struct alignas(64) Value {
  char bytes[64];
};

/// Everything that one call needs, resolved before the loop.
struct Call {
  PointwiseLoop loop;
  Dtype computing;
  Dtype loop_result;  // what the loop writes
  const double* parameters;
  int operands;
  bool scalar[kMaxOperands] = {};
  Value scalars[kMaxOperands];
};

/// All operands lie like the result or are single values: the loop runs on them as they are.
bool runs_flat(const Call& call, std::span<const Tensor> operands, const Tensor& out) {
  if (out.dtype() != call.loop_result || !(out.is_contiguous() || is_dense(out.sizes(), out.strides()))) return false;
  for (int i = 0; i < call.operands; ++i) {
    if (call.scalar[i]) continue;
    const Tensor& operand = operands[i];
    if (operand.dtype() != call.computing || operand.sizes() != out.sizes()) return false;
    if (!(operand.is_contiguous() && out.is_contiguous()) && operand.strides() != out.strides()) return false;
  }
  return true;
}

void run_flat(const Call& call, std::span<const Tensor> operands, const Tensor& out) {
  const char* data[kMaxOperands];
  size_t item = item_size(call.computing), out_item = item_size(call.loop_result);
  for (int i = 0; i < call.operands; ++i) data[i] = call.scalar[i] ? call.scalars[i].bytes : operands[i].bytes();
  char* result = out.bytes();
  auto range = [&](int64_t begin, int64_t end) {
    const void* from[kMaxOperands];
    for (int i = 0; i < call.operands; ++i) from[i] = call.scalar[i] ? data[i] : data[i] + begin * item;
    call.loop(from, call.scalar, result + begin * out_item, end - begin, call.parameters);
  };
  int64_t n = out.numel();
  if (n <= kParallelGrain)
    range(0, n);
  else
    launch({{}, {&out}}, n, [&] { parallel_for(n, kParallelGrain, range); });
}

/// Elements are gathered and converted into buffers, computed there, converted and scattered; an operand that lies as
/// the loop wants it, or is one value for a whole row, is read where it is.
void run_buffered(const Call& call, const Walk& walk) {
  const size_t inner_dim = walk.sizes.size() - 1;
  const auto item = static_cast<int64_t>(item_size(call.computing));
  const Side& out = walk.sides[0];
  const int64_t out_stride = out.strides[inner_dim], out_item = static_cast<int64_t>(item_size(call.loop_result));
  const bool direct = out.dtype == call.loop_result && out_stride == out_item;
  bool as_it_is[kMaxOperands], one_value[kMaxOperands];
  bool no_buffers = direct;
  for (int i = 0; i < call.operands; ++i) {
    const Side& side = walk.sides[i + 1];
    const int64_t stride = side.strides[inner_dim];
    one_value[i] = call.scalar[i] || (stride == 0 && call.operands > 1);  // loops of one operand know no such thing
    as_it_is[i] = side.dtype == call.computing && (stride == item || one_value[i]);
    no_buffers = no_buffers && (call.scalar[i] || as_it_is[i]);
  }
  auto range = [&](int64_t begin, int64_t end) {
    if (no_buffers) {
      const void* from[kMaxOperands];
      for (int i = 0; i < call.operands; ++i) from[i] = call.scalars[i].bytes;
      return for_each_run(walk, begin, end, [&](const std::array<char*, kMaxOperands + 1>& at, int64_t n) {
        for (int i = 0; i < call.operands; ++i)
          if (!call.scalar[i]) from[i] = at[i + 1];
        call.loop(from, one_value, at[0], n, call.parameters);
      });
    }
    alignas(64) char buffers[kMaxOperands][kChunk * 16];
    alignas(64) char result_buffer[kChunk * 16];
    for_each_run(walk, begin, end, [&](std::array<char*, kMaxOperands + 1> at, int64_t n) {
      for (int64_t done = 0; done < n; done += kChunk) {
        const int64_t length = std::min(kChunk, n - done);
        const void* from[kMaxOperands];
        for (int i = 0; i < call.operands; ++i) {
          const Side& side = walk.sides[i + 1];
          const int64_t stride = side.strides[inner_dim];
          char*& position = at[i + 1];
          if (call.scalar[i]) {
            from[i] = call.scalars[i].bytes;
          } else if (as_it_is[i]) {
            from[i] = position;
          } else {
            converter(side.dtype, call.computing)(position, stride, buffers[i], item, one_value[i] ? 1 : length);
            from[i] = buffers[i];
          }
          position += length * stride;
        }
        call.loop(from, one_value, direct ? at[0] : result_buffer, length, call.parameters);
        if (!direct) converter(call.loop_result, out.dtype)(result_buffer, out_item, at[0], out_stride, length);
        at[0] += length * out_stride;
      }
    });
  };
  int64_t n = 1;
  for (int64_t size : walk.sizes) n *= size;
  if (n <= kParallelGrain)
    range(0, n);
  else
    launch({}, n, [&] { parallel_for(n, kParallelGrain, range); });
}

Walk walk_over(std::span<const Tensor> operands, const Tensor& out) {
  Walk walk;
  walk.sides[walk.count++] = {out.bytes(), out.dtype(), byte_strides(out, out.sizes())};
  for (const Tensor& operand : operands)
    walk.sides[walk.count++] = {operand.bytes(), operand.dtype(), byte_strides(operand, out.sizes())};
  arrange(walk, out.sizes());
  return walk;
}

/// Fresh memory in the layout of the first operand that has the result's shape and is dense, row-major otherwise.
Tensor allocate_result(std::span<const Tensor> operands, const Dims& shape, Dtype dtype) {
  for (const Tensor& operand : operands)
    if (operand.sizes() == shape) return empty_like(operand, dtype);
  return empty(shape, dtype);
}

/// An operand that lies in the result's memory otherwise than the result itself is read before it is overwritten.
Tensor apart_from(const Tensor& operand, const Tensor& out) {
  if (!shares_memory(operand, out)) return operand;
  if (operand.bytes() == out.bytes() && operand.sizes() == out.sizes() && operand.strides() == out.strides() &&
      operand.dtype() == out.dtype())
    return operand;
  Tensor copy = empty(operand.sizes(), operand.dtype());
  copy_elements(operand, copy);
  return copy;
}

}  // namespace

/// A number that takes part in uint8 wraps around before the operation, -1 to 255, since the loop computes in int64.
/// One that takes part in float16 is rounded only where it is compared (0.1 equals a tensor's 0.1): arithmetic has it
/// in full precision, as PyTorch's.
static bool rounds_single_values(const Pointwise& formula, Dtype compute) {
  return compute != computing_dtype(formula, compute) &&
         (is_integral(compute) || (formula.predicate && is_floating(compute)));
}

/// Integers beyond the range of float16 are infinite where they are compared with it.
static Tensor rounded_to(const Tensor& operand, Dtype dtype) {
  if (operand.dtype() == dtype || operand.numel() == 1) return operand;
  Tensor rounded = empty(operand.sizes(), dtype);
  copy_elements(operand, rounded);
  return rounded;
}

/// Two small tensors of the same shape, row-major, in the dtype of the loop: what programs that are not bound by
/// arithmetic call all the time. Undefined if it is anything else.
static Tensor evaluate_small_pair(const Pointwise& formula, std::span<const Tensor> operands, Dtype compute,
                                  Dtype result, const double* parameters) {
  const TensorImpl &a = *operands[0].impl(), &b = *operands[1].impl();
  PointwiseLoop loop = compute == Dtype::F32 ? formula.f32 : compute == Dtype::F64 ? formula.f64 : nullptr;
  if (!loop || a.dtype != compute || b.dtype != compute || !a.contiguous || !b.contiguous || a.count == 0 ||
      a.count > kParallelGrain || a.sizes != b.sizes)
    return {};
  if (formula.predicate)
    result = Dtype::Bool;
  else if (result != compute)
    return {};
  Tensor out = empty(a.sizes, result);
  const void* from[] = {operands[0].bytes(), operands[1].bytes()};
  constexpr bool no_scalars[2] = {};
  loop(from, no_scalars, out.bytes(), a.count, parameters);
  return out;
}

Tensor evaluate(const Pointwise& formula, std::span<const Tensor> operands, Dtype compute, Dtype result,
                const Tensor& given_out, const double* parameters) {
  if (operands.size() == 2 && !given_out.defined())
    if (Tensor out = evaluate_small_pair(formula, operands, compute, result, parameters); out.defined()) return out;
  check_computes(formula, compute);
  Call call;
  call.computing = computing_dtype(formula, compute);
  call.loop = loop_for(formula, call.computing);
  if (!call.loop) not_implemented("\"", formula.name, "\" not implemented for '", torch_name(compute), "'");
  call.loop_result = formula.predicate                                      ? Dtype::Bool
                     : formula.real_result && call.computing == Dtype::C128 ? Dtype::F64
                                                                            : call.computing;
  call.parameters = parameters;
  call.operands = static_cast<int>(operands.size());

  bool same_shape = true;
  for (const Tensor& operand : operands) same_shape = same_shape && operand.sizes() == operands[0].sizes();
  Dims broadcast;
  if (!same_shape) {
    broadcast = operands[0].sizes();
    for (size_t i = 1; i < operands.size(); ++i) broadcast = broadcast_shapes(broadcast, operands[i].sizes());
  }
  const Dims& shape = same_shape ? operands[0].sizes() : broadcast;
  Tensor out = given_out;
  if (!out.defined())
    out = allocate_result(operands, shape, formula.predicate ? Dtype::Bool : result);
  else if (out.sizes() != shape)
    shape_error("output with shape ", out.sizes(), " doesn't match the broadcast shape ", shape);
  if (out.numel() == 0) return out;

  std::array<Tensor, kMaxOperands> separate;
  if (given_out.defined()) {
    for (size_t i = 0; i < operands.size(); ++i) separate[i] = apart_from(operands[i], out);
    operands = {separate.data(), operands.size()};
  }
  if (formula.predicate && is_floating(compute) && compute != call.computing) {
    for (size_t i = 0; i < operands.size(); ++i) separate[i] = rounded_to(operands[i], compute);
    operands = {separate.data(), operands.size()};
  }
  for (int i = 0; i < call.operands; ++i) {
    const Tensor& operand = operands[i];
    bool narrows = rounds_single_values(formula, compute) && operand.dtype() != compute;
    call.scalar[i] = operand.numel() == 1 && (out.numel() > 1 || operand.dtype() != call.computing || narrows);
    if (!call.scalar[i]) continue;
    Value value;
    Dtype dtype = narrows ? compute : operand.dtype();
    converter(operand.dtype(), dtype)(operand.bytes(), 0, value.bytes, 0, 1);
    converter(dtype, call.computing)(value.bytes, 0, call.scalars[i].bytes, 0, 1);
  }
  if (runs_flat(call, operands, out))
    run_flat(call, operands, out);
  else
    run_buffered(call, walk_over(operands, out));
  return out;
}

namespace {

kernel::ConversionKernels::Transpose transpose_of(size_t item) {
  const kernel::ConversionKernels& kernels = kernel::table().conversion;
  switch (item) {
    case 1:
      return kernels.transpose1;
    case 2:
      return kernels.transpose2;
    case 4:
      return kernels.transpose4;
    case 8:
      return kernels.transpose8;
    default:
      return kernels.transpose16;
  }
}

/// A copy whose result is walked row by row while its source lies column by column: in tiles. False if the walk has no
/// such pair of dimensions, or too few elements for tiles to matter.
bool copy_transposed(const Walk& walk) {
  const Side &to = walk.sides[0], &from = walk.sides[1];
  const int64_t inner = walk.sizes.ssize() - 1, item = static_cast<int64_t>(item_size(to.dtype));
  constexpr int64_t kSmallest = 8;
  const bool repeats_along_rows = from.strides[inner] == 0;  // then each row is filled with one value
  if (from.dtype != to.dtype || to.strides[inner] != item || from.strides[inner] == item || repeats_along_rows ||
      walk.sizes[inner] < kSmallest)
    return false;
  int64_t across = inner - 1;
  while (across >= 0 && from.strides[across] != item) --across;
  if (across < 0 || walk.sizes[across] < kSmallest) return false;

  Walk planes;  // the other dimensions
  planes.count = 2;
  int64_t count = 1;
  for (int s = 0; s < 2; ++s) planes.sides[s] = {walk.sides[s].data, to.dtype, {}};
  for (int64_t dim = 0; dim < inner; ++dim) {
    if (dim == across) continue;
    planes.sizes.push_back(walk.sizes[dim]);
    for (int s = 0; s < 2; ++s) planes.sides[s].strides.push_back(walk.sides[s].strides[dim]);
    count *= walk.sizes[dim];
  }
  const auto transpose = transpose_of(static_cast<size_t>(item));
  const int64_t rows = walk.sizes[across], columns = walk.sizes[inner];
  constexpr int64_t kBand = 64;  // rows of a plane that a thread copies at a time
  const int64_t bands = (rows + kBand - 1) / kBand;
  auto range = [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      const char* source = from.data;
      char* target = to.data;
      int64_t plane = at / bands;
      for (int64_t dim = planes.sizes.ssize() - 1; dim >= 0; --dim) {
        const int64_t index = plane % planes.sizes[dim];
        plane /= planes.sizes[dim];
        target += index * planes.sides[0].strides[dim];
        source += index * planes.sides[1].strides[dim];
      }
      const int64_t first = at % bands * kBand, height = std::min(kBand, rows - first);
      transpose(source + first * item, from.strides[inner], target + first * to.strides[across], to.strides[across],
                height, columns);
    }
  };
  launch({}, count * rows * columns,
         [&] { parallel_for(count * bands, grain_for(kParallelGrain, std::min(kBand, rows), columns), range); });
  return true;
}

/// A copy may walk in any order: the longest dimension becomes the innermost if that one is too short for a loop.
void lengthen_inner(Walk& walk) {
  constexpr int64_t kShort = 8;
  const size_t inner = walk.sizes.size() - 1;
  if (walk.sizes[inner] >= kShort) return;
  size_t longest = inner;  // the nearest that is long enough, whose elements lie closest together
  while (longest > 0 && walk.sizes[longest] < kShort) --longest;
  if (walk.sizes[longest] < kShort) return;
  std::swap(walk.sizes[longest], walk.sizes[inner]);
  for (int s = 0; s < walk.count; ++s) std::swap(walk.sides[s].strides[longest], walk.sides[s].strides[inner]);
}

}  // namespace

void copy_elements(const Tensor& source, const Tensor& target) {
  if (broadcast_shapes(source.sizes(), target.sizes()) != target.sizes())
    shape_error("The expanded size of the tensor must match: output with shape ", target.sizes(),
                " doesn't match the broadcast shape ", broadcast_shapes(source.sizes(), target.sizes()));
  if (target.numel() == 0) return;
  auto convert = converter(source.dtype(), target.dtype());
  Walk walk;
  walk.sides[walk.count++] = {target.bytes(), target.dtype(), byte_strides(target, target.sizes())};
  walk.sides[walk.count++] = {source.bytes(), source.dtype(), byte_strides(source, target.sizes())};
  arrange(walk, target.sizes());
  if (copy_transposed(walk)) return;
  lengthen_inner(walk);
  size_t inner = walk.sizes.size() - 1;
  int64_t to_stride = walk.sides[0].strides[inner], from_stride = walk.sides[1].strides[inner];
  auto range = [&](int64_t begin, int64_t end) {
    for_each_run(walk, begin, end, [&](const std::array<char*, kMaxOperands + 1>& at, int64_t n) {
      convert(at[1], from_stride, at[0], to_stride, n);
    });
  };
  int64_t n = target.numel();
  if (n <= kParallelGrain)
    range(0, n);
  else
    launch({{&source}, {&target}}, n, [&] { parallel_for(n, kParallelGrain, range); });
}

Pointwise formula(const char* name) {
  const kernel::FormulaKernels& formulas = kernel::table().formulas;
  for (int i = 0; i < formulas.count; ++i)
    for (int j = 0; j < formulas.lists[i].count; ++j) {
      const kernel::FormulaEntry& entry = formulas.lists[i].entries[j];
      if (std::strcmp(entry.name, name) == 0)
        return {entry.name, entry.predicate, false, entry.f32, entry.f64, entry.i64, nullptr, entry.u8};
    }
  runtime_error("no formula is named ", name);
}

// Promotion as in PyTorch's documentation of torch.result_type.

static Dtype promote_storage_only(Dtype a, Dtype b) {
  if (is_float8(a) || is_float8(b))
    runtime_error("Promotion for Float8 Types is not supported, attempted to promote ", torch_name(a), " and ",
                  torch_name(b));
  const Dtype other = is_wide_unsigned(a) ? b : a;
  if (is_integral(other))
    runtime_error("Promotion for uint16, uint32, uint64 types is not supported, attempted to promote ", torch_name(a),
                  " and ", torch_name(b));
  return other;
}
static Dtype promote_complex_half(Dtype other) {
  if (is_complex(other)) return other;
  if (other == Dtype::F64) return Dtype::C128;
  return other == Dtype::F32 || other == Dtype::BF16 ? Dtype::C64 : Dtype::C32;
}

Dtype promote(Dtype a, Dtype b) {
  if (a == b) return a;
  if (is_storage_only(a) || is_storage_only(b)) return promote_storage_only(a, b);
  if (a == Dtype::C32 || b == Dtype::C32) return promote_complex_half(a == Dtype::C32 ? b : a);
  if (a > b) std::swap(a, b);  // a < b from here on
  if (is_complex(b)) return a == Dtype::F64 ? Dtype::C128 : b;
  if (a == Dtype::F16 && b == Dtype::BF16) return Dtype::F32;
  if (is_floating(b)) return b;
  if (a == Dtype::U8 && category(b) == Category::Integral) return b == Dtype::I8 ? Dtype::I16 : b;
  return b;
}

Dtype promote(std::span<const Tensor> tensors) {
  bool alike = true;  // most calls: one dtype, no numbers
  for (const Tensor& tensor : tensors)
    alike = alike && tensor.defined() && tensor.dtype() == tensors[0].dtype() && !tensor.impl()->wrapped_number;
  if (alike && !tensors.empty()) return tensors[0].dtype();
  // The dtype of each rank of operand: tensors with dimensions, 0-d tensors, Python numbers.
  int ranks[3] = {-1, -1, -1};
  auto include = [](int& rank, Dtype dtype) {
    rank = rank < 0 ? static_cast<int>(dtype) : static_cast<int>(promote(static_cast<Dtype>(rank), dtype));
  };
  for (const Tensor& tensor : tensors) {
    if (!tensor.defined()) continue;
    if (tensor.impl()->wrapped_number) {
      Dtype dtype = tensor.dtype();
      if (is_floating(dtype)) dtype = default_dtype();
      if (is_complex(dtype)) dtype = to_complex(default_dtype());
      include(ranks[2], dtype);
    } else {
      include(ranks[tensor.ndim() == 0 ? 1 : 0], tensor.dtype());
    }
  }
  int result = -1;
  for (int rank : ranks) {
    if (rank < 0) continue;
    auto dtype = static_cast<Dtype>(rank);
    if (result < 0)
      result = rank;
    else if (category(dtype) > category(static_cast<Dtype>(result)))
      // Only a higher category counts; a complex number takes the precision of a floating tensor.
      result = static_cast<int>(is_complex(dtype) && is_floating(static_cast<Dtype>(result))
                                    ? (static_cast<Dtype>(result) == Dtype::F64 ? Dtype::C128 : Dtype::C64)
                                    : dtype);
  }
  return result < 0 ? default_dtype() : static_cast<Dtype>(result);
}

Dtype promote_to_floating(std::span<const Tensor> tensors) {
  Dtype dtype = promote(tensors);
  return is_integral(dtype) ? default_dtype() : dtype;
}

bool can_cast(Dtype from, Dtype to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating(from) && is_integral(to)) return false;
  return !(from != Dtype::Bool && to == Dtype::Bool);
}

}  // namespace ondol
