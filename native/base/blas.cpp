#include "base/blas.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "base/blas_library.h"
#include "base/parallel.h"
#include "base/small_gemm.h"

namespace ondol::blas {
namespace {

// What follows was measured with float on two cores; the work is counted in multiplications.

/// Products below this many run on one thread: handing out work costs about as much as they do.
constexpr int64_t kParallelWork = 1 << 18;
/// The sizes of the pieces are multiples of these, so that OpenBLAS's micro-kernels run on full tiles.
constexpr int64_t kRowUnit = 16, kColumnUnit = 64;
/// OpenBLAS counts in 32 bits. Larger products are cut into pieces of this size.
constexpr int64_t kLargestSize = int64_t{1} << 30;

bool is_transposed(Form form) { return form == Form::Transposed || form == Form::ConjugateTransposed; }
bool is_conjugated(Form form) { return form == Form::Conjugate || form == Form::ConjugateTransposed; }

template <class T>
inline constexpr bool is_complex_type = !std::is_floating_point_v<T>;
/// The multiplications of reals in one of T.
template <class T>
inline constexpr int64_t work_factor = is_complex_type<T> ? 4 : 1;

template <class T>
int constant(Form form) {
  if (!is_complex_type<T>) return is_transposed(form) ? kTransposed : kPlain;
  constexpr int constants[] = {kPlain, kTransposed, kConjugateTransposed, kConjugate};
  return constants[static_cast<int>(form)];
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Where element (row, column) of form(a) begins in memory.
template <class T>
const T* at(Form form, const T* a, int64_t lda, int64_t row, int64_t column) {
  return is_transposed(form) ? a + column * lda + row : a + row * lda + column;
}

template <class T>
void scale(int64_t m, int64_t n, T beta, T* c, int64_t ldc) {
  if (beta == T(1)) return;
  for (int64_t i = 0; i < m; ++i, c += ldc) {
    if (beta == T(0))
      std::fill_n(c, n, T(0));  // c may hold NaN
    else
      for (int64_t j = 0; j < n; ++j) c[j] *= beta;
  }
}
