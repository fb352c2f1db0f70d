// Euclidean distances between all rows of matrices.

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/functions.h"
#include "ops/linalg.h"
#include "ops/registry.h"

namespace ondol {
namespace {

/// 1/x where x is not zero, and zero there: the smallest subgradient of a distance.
Tensor inverse_or_zero(const Tensor& x) {
  return masked_fill(reciprocal(x), eq(detach(x), wrapped_number(0)), wrapped_number(0));
}

/// |x - y|² = |x|² - 2 x·y + |y|² for all rows of x [*, p, m] and y [*, r, m], by one matrix product each.
Tensor distances_by_product(const Tensor& x, const Tensor& y) {
  NoGrad silent;
  int64_t p = x.size(-2), r = y.size(-2), m = x.size(-1);
  Tensor result = empty(with_sizes(batch_of(x), {p, r}), x.dtype());
  if (result.numel() == 0) return result;
  int64_t count = result.numel() / (p * r);
  Tensor left = contiguous(detach(x)), right = contiguous(detach(y));
  Tensor left_squares = sum(mul(left, left), {-1}, false), right_squares = sum(mul(right, right), {-1}, false);
  for_product_type(x.dtype(), [&](auto type) {
    using T = decltype(type);
    if constexpr (std::is_floating_point_v<T>) {
      T* distance = result.data<T>();
      const T *a = left_squares.data<T>(), *b = right_squares.data<T>();
      launch({{&left, &right, &left_squares, &right_squares}, {&result}}, result.numel() * m, [&] {
        parallel_for(count * p, grain_for(16384, r), [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row)
            for (int64_t j = 0; j < r; ++j) distance[row * r + j] = a[row] + b[row / p * r + j];
        });
        blas::gemm_batch<T>(blas::Form::Plain, blas::Form::Transposed, count, p, r, m, T(-2), left.data<T>(), m, p * m,
                            right.data<T>(), m, r * m, T(1), distance, r, p * r);
      });
    }
  });
  return sqrt(clamp(result, wrapped_number(0), {}));
}

/// The distances of every row of x [*, p, m] to every row of y [*, r, m], both of one dtype and batch: [*, p, r].
Tensor euclidean_distances(const Tensor& x, const Tensor& y) {
  constexpr const char* kName = "cdist";
  check_matrix(kName, x, "x1");
  check_matrix(kName, y, "x2");
  check_same_dtype(kName, x, y);
  if (is_complex(x.dtype())) runtime_error(kName, " only supports floating-point dtypes, X1 got: ", name(x.dtype()));
  if (batch_of(x) != batch_of(y) || x.size(-1) != y.size(-1) || x.size(-1) == 0)
    runtime_error(kName, ": the batches and the numbers of columns must match, got ", x.sizes(), " and ", y.sizes());
  Tensor distances = distances_by_product(x, y);
  if (needs_gradient(x, y))
    record("EuclideanDistBackward0", distances, {x, y},
           [x = save(x), y = save(y), distances = save_output(distances)](const Tensor& gradient, Gradients& in) {
             Tensor weights = mul(gradient, inverse_or_zero(distances()));
             if (in.wants(0)) in[0] = sub(mul(x(), sum(weights, {-1}, true)), matmul(weights, y()));
             if (in.wants(1)) {
               Tensor turned = transpose(weights, -2, -1);
               in[1] = sub(mul(y(), sum(turned, {-1}, true)), matmul(turned, x()));
             }
           });
  return distances;
}

/// f with the kernels of the element type, float or double, and a value of it.
template <class F>
void with_kernels(Dtype dtype, F&& f) {
  dtype == Dtype::F32 ? f(kernel::table().distance.float32, float{}) : f(kernel::table().distance.float64, double{});
}

/// weights[k] (x_i - x_j) for each pair k = (i, j), added to row i and taken from row j.
Tensor pair_gradient(const Tensor& x, const Tensor& weights) {
  Tensor rows = contiguous(detach(x)), factors = contiguous(detach(weights)), result = empty(x.sizes(), x.dtype());
  with_kernels(x.dtype(), [&](const auto& kernels, auto type) {
    using T = decltype(type);
    launch({{&rows, &factors}, {&result}}, x.numel() * x.size(0),
           [&] { kernels.pairs_backward(rows.data<T>(), factors.data<T>(), x.size(0), x.size(1), result.data<T>()); });
  });
  return result;
}

/// The numbers of the first and second rows of all pairs.
std::pair<Tensor, Tensor> pairs_of(int64_t rows) {
  Tensor first = empty({rows * (rows - 1) / 2}, Dtype::I64), second = empty(first.sizes(), Dtype::I64);
  auto *one = first.data<int64_t>(), *other = second.data<int64_t>();
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = i + 1; j < rows; ++j) *one++ = i, *other++ = j;
  return {first, second};
}

/// The same, made of operations that have derivatives.
Tensor recorded_pair_gradient(const Tensor& x, const Tensor& weights) {
  auto [first, second] = pairs_of(x.size(0));
  Tensor moves = mul(sub(index_select(x, 0, first), index_select(x, 0, second)), unsqueeze(weights, -1));
  Tensor forward = index_add(zeros(x.sizes(), x.dtype()), 0, first, moves);
  return sub(forward, index_add(zeros(x.sizes(), x.dtype()), 0, second, moves));
}

/// The distances of all pairs of rows, in the order of `combinations`.
Tensor euclidean_pairs(const Tensor& x) {
  if (x.ndim() != 2) runtime_error("pdist only supports 2D tensors, got: ", x.ndim(), "D");
  if (x.dtype() != Dtype::F32 && x.dtype() != Dtype::F64)
    runtime_error("pdist only supports floating-point dtypes, got: ", name(x.dtype()));
  int64_t rows = x.size(0), n = x.size(1);
  Tensor input = contiguous(detach(x)), distances = empty({rows < 2 ? 0 : rows * (rows - 1) / 2}, x.dtype());
  with_kernels(x.dtype(), [&](const auto& kernels, auto type) {
    using T = decltype(type);
    Tensor columns = zeros({n, rows + kernel::distance_room}, x.dtype());
    copy_elements(transpose(input, 0, 1), narrow(columns, 1, 0, rows));
    launch({{&input, &columns}, {&distances}}, distances.numel() * n,
           [&] { kernels.pairs(input.data<T>(), columns.data<T>(), rows, n, distances.data<T>()); });
  });
  if (needs_gradient(x))
    record("PdistBackward0", distances, {x},
           [x = save(x), distances = save_output(distances)](const Tensor& gradient, Gradients& in) {
             Tensor weights = mul(gradient, inverse_or_zero(distances()));
             in[0] = GradMode::enabled() ? recorded_pair_gradient(x(), weights) : pair_gradient(x(), weights);
           });
  return distances;
}

}  // namespace

void register_distance(Registry& r) {
  r.add("nn.euclidean_distances(Tensor x1, Tensor x2) -> Tensor", euclidean_distances);
  r.add("nn.euclidean_pairs(Tensor input) -> Tensor", euclidean_pairs);
}

}  // namespace ondol
