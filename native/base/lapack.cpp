#include "base/lapack.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "base/blas_library.h"

namespace ondol::lapack {
namespace {

// Fortran's interface: every argument by address, and after them the lengths of the texts.
using Int = const int32_t*;
using Text = const char*;
using Length = size_t;

template <class T>
constexpr bool kComplex = !std::is_floating_point_v<T>;

template <class T>
struct Functions {
  using R = Real<T>;
  void (*potrf)(Text uplo, Int n, T* a, Int lda, int32_t* info, Length);
  void (*getrf)(Int m, Int n, T* a, Int lda, int32_t* pivots, int32_t* info);
  void (*getrs)(Text op, Int n, Int columns, const T* a, Int lda, const int32_t* pivots, T* b, Int ldb, int32_t* info,
                Length);
  void (*trsm)(Text side, Text uplo, Text op, Text diagonal, Int m, Int n, const T* alpha, const T* a, Int lda, T* b,
               Int ldb, Length, Length, Length, Length);
  void (*geqrf)(Int m, Int n, T* a, Int lda, T* tau, T* work, Int size, int32_t* info);
  void (*orgqr)(Int m, Int n, Int k, T* a, Int lda, const T* tau, T* work, Int size, int32_t* info);
  std::conditional_t<kComplex<T>,
                     void (*)(Text job, Text uplo, Int n, T* a, Int lda, R* w, T* work, Int size, R* reals,
                              Int reals_size, int32_t* integers, Int integers_size, int32_t* info, Length, Length),
                     void (*)(Text job, Text uplo, Int n, T* a, Int lda, R* w, T* work, Int size, int32_t* integers,
                              Int integers_size, int32_t* info, Length, Length)>
      syevd;
  std::conditional_t<kComplex<T>,
                     void (*)(Text left, Text right, Int n, T* a, Int lda, T* w, T* vl, Int ldvl, T* vr, Int ldvr,
                              T* work, Int size, R* reals, int32_t* info, Length, Length),
                     void (*)(Text left, Text right, Int n, T* a, Int lda, R* wr, R* wi, T* vl, Int ldvl, T* vr,
                              Int ldvr, T* work, Int size, int32_t* info, Length, Length)>
      geev;
  std::conditional_t<kComplex<T>,
                     void (*)(Text job, Int m, Int n, T* a, Int lda, R* s, T* u, Int ldu, T* vh, Int ldvh, T* work,
                              Int size, R* reals, int32_t* integers, int32_t* info, Length),
                     void (*)(Text job, Int m, Int n, T* a, Int lda, R* s, T* u, Int ldu, T* vh, Int ldvh, T* work,
                              Int size, int32_t* integers, int32_t* info, Length)>
      gesdd;

  Functions() {
    const char letter = std::is_same_v<T, float>                 ? 's'
                        : std::is_same_v<T, double>              ? 'd'
                        : std::is_same_v<T, std::complex<float>> ? 'c'
                                                                 : 'z';
    auto find = [letter](auto& function, const char* name) {
      void* symbol = blas::symbol(std::string("scipy_") + letter + name + "_");
      std::memcpy(&function, &symbol, sizeof symbol);
    };
    find(potrf, "potrf");
    find(getrf, "getrf");
    find(getrs, "getrs");
    find(trsm, "trsm");
    find(geqrf, "geqrf");
    find(orgqr, kComplex<T> ? "ungqr" : "orgqr");
    find(syevd, kComplex<T> ? "heevd" : "syevd");
    find(geev, "geev");
    find(gesdd, "gesdd");
  }
};

template <class T>
const Functions<T>& functions() {
  static const Functions<T> found;
  return found;
}

/// The size of a workspace from LAPACK's answer, a floating number that may have been rounded down.
template <class T>
size_t size_from(const T& answer) {
  auto number = static_cast<double>(std::real(answer));
  number = std::ceil(number * (1 + 4 * std::numeric_limits<Real<T>>::epsilon()));
  if (!(number < std::numeric_limits<int32_t>::max())) throw std::runtime_error("LAPACK: the matrix is too large");
  return static_cast<size_t>(std::max(number, 1.0));
}

constexpr int32_t kAsk = -1;  // in the place of a workspace's size: only tell it
int32_t leading(int32_t rows) { return std::max(rows, int32_t{1}); }

template <class V>
int32_t size_of(const V& memory) {
  return static_cast<int32_t>(memory.size());
}

}  // namespace

template <class T>
int potrf(char uplo, int32_t n, T* a, int32_t lda) {
  int32_t info = 0;
  functions<T>().potrf(&uplo, &n, a, &lda, &info, 1);
  return info;
}

template <class T>
int getrf(int32_t m, int32_t n, T* a, int32_t lda, int32_t* pivots) {
  int32_t info = 0;
  functions<T>().getrf(&m, &n, a, &lda, pivots, &info);
  return info;
}

template <class T>
void getrs(char op, int32_t n, int32_t columns, const T* lu, int32_t lda, const int32_t* pivots, T* b, int32_t ldb) {
  int32_t info = 0;
  functions<T>().getrs(&op, &n, &columns, lu, &lda, pivots, b, &ldb, &info, 1);
}

template <class T>
void trsm(char side, char uplo, char op, bool unit, int32_t m, int32_t n, const T* a, int32_t lda, T* b, int32_t ldb) {
  const char diagonal = unit ? 'U' : 'N';
  const T one(1);
  functions<T>().trsm(&side, &uplo, &op, &diagonal, &m, &n, &one, a, &lda, b, &ldb, 1, 1, 1, 1);
}

template <class T>
Reflectors<T>::Reflectors(int32_t m, int32_t n, int32_t columns) : m_(m), n_(n), columns_(columns) {
  const int32_t lda = leading(m), rank = std::min(m, n);
  int32_t info = 0;
  T factor_size(0), expand_size(0);
  functions<T>().geqrf(&m, &n, nullptr, &lda, nullptr, &factor_size, &kAsk, &info);
  functions<T>().orgqr(&m, &columns, &rank, nullptr, &lda, nullptr, &expand_size, &kAsk, &info);
  workspace_.numbers.resize(std::max(size_from(factor_size), size_from(expand_size)));
}
template <class T>
void Reflectors<T>::factor(T* a, T* tau) {
  const int32_t lda = leading(m_), size = size_of(workspace_.numbers);
  int32_t info = 0;
  functions<T>().geqrf(&m_, &n_, a, &lda, tau, workspace_.numbers.data(), &size, &info);
}
template <class T>
void Reflectors<T>::expand(T* q, const T* tau) {
  const int32_t lda = leading(m_), rank = std::min(m_, n_), size = size_of(workspace_.numbers);
  int32_t info = 0;
  functions<T>().orgqr(&m_, &columns_, &rank, q, &lda, tau, workspace_.numbers.data(), &size, &info);
}

template <class T>
HermitianEigen<T>::HermitianEigen(bool vectors, char uplo, int32_t n) : job_(vectors ? 'V' : 'N'), uplo_(uplo), n_(n) {
  const int32_t lda = leading(n);
  int32_t info = 0, integers = 0;
  T numbers(0);
  Real<T> reals(0);
  if constexpr (kComplex<T>)
    functions<T>().syevd(&job_, &uplo_, &n, nullptr, &lda, nullptr, &numbers, &kAsk, &reals, &kAsk, &integers, &kAsk,
                         &info, 1, 1);
  else
    functions<T>().syevd(&job_, &uplo_, &n, nullptr, &lda, nullptr, &numbers, &kAsk, &integers, &kAsk, &info, 1, 1);
  workspace_.numbers.resize(size_from(numbers));
  workspace_.reals.resize(size_from(reals));
  workspace_.integers.resize(static_cast<size_t>(std::max(integers, int32_t{1})));
}
template <class T>
int HermitianEigen<T>::run(T* a, Real<T>* values) {
  auto& [numbers, reals, integers] = workspace_;
  const int32_t lda = leading(n_), size = size_of(numbers), integer_size = size_of(integers);
  int32_t info = 0;
  if constexpr (kComplex<T>) {
    const int32_t real_size = size_of(reals);
    functions<T>().syevd(&job_, &uplo_, &n_, a, &lda, values, numbers.data(), &size, reals.data(), &real_size,
                         integers.data(), &integer_size, &info, 1, 1);
  } else {
    functions<T>().syevd(&job_, &uplo_, &n_, a, &lda, values, numbers.data(), &size, integers.data(), &integer_size,
                         &info, 1, 1);
  }
  return info;
}

template <class T>
GeneralEigen<T>::GeneralEigen(int32_t n) : n_(n) {
  const int32_t lda = leading(n);
  const auto count = static_cast<size_t>(n);
  int32_t info = 0;
  T answer(0);
  if constexpr (kComplex<T>) {
    workspace_.reals.resize(2 * count + 1);  // the question writes there as well
    functions<T>().geev("N", "V", &n, nullptr, &lda, nullptr, nullptr, &lda, nullptr, &lda, &answer, &kAsk,
                        workspace_.reals.data(), &info, 1, 1);
    workspace_.numbers.resize(size_from(answer));
  } else {
    workspace_.reals.resize(2 * count + count * count);  // both parts of the values, and the vectors
    functions<T>().geev("N", "V", &n, nullptr, &lda, nullptr, nullptr, nullptr, &lda, nullptr, &lda, &answer, &kAsk,
                        &info, 1, 1);
    workspace_.numbers.resize(size_from(answer));
  }
}
template <class T>
int GeneralEigen<T>::run(T* a, std::complex<Real<T>>* values, std::complex<Real<T>>* vectors) {
  auto& [numbers, reals, integers] = workspace_;
  const int32_t lda = leading(n_), size = size_of(numbers);
  int32_t info = 0;
  if constexpr (kComplex<T>) {
    functions<T>().geev("N", "V", &n_, a, &lda, values, nullptr, &lda, vectors, &lda, numbers.data(), &size,
                        reals.data(), &info, 1, 1);
  } else {
    const int64_t n = n_;
    T *real = reals.data(), *imaginary = real + n, *packed = imaginary + n;
    functions<T>().geev("N", "V", &n_, a, &lda, real, imaginary, nullptr, &lda, packed, &lda, numbers.data(), &size,
                        &info, 1, 1);
    // Conjugate pairs of values share two columns: the real and the imaginary part of the first one's vector.
    for (int64_t j = 0; j < n; ++j) {
      values[j] = {real[j], imaginary[j]};
      const bool second = imaginary[j] < 0 && j > 0;
      const T* column = packed + (second ? j - 1 : j) * n;
      for (int64_t i = 0; i < n; ++i)
        vectors[j * n + i] = {column[i], imaginary[j] == 0 || (!second && j + 1 == n) ? T(0)
                                         : second                                     ? -column[n + i]
                                                                                      : column[n + i]};
    }
  }
  return info;
}

template <class T>
SingularValues<T>::SingularValues(Vectors vectors, int32_t m, int32_t n)
    : job_(static_cast<char>(vectors)), m_(m), n_(n), rows_vh_(vectors == Vectors::All ? n : std::min(m, n)) {
  const int32_t lda = leading(m), ldvh = leading(rows_vh_);
  int32_t info = 0;
  T answer(0);
  const auto small = static_cast<size_t>(std::min(m, n)), large = static_cast<size_t>(std::max(m, n));
  workspace_.integers.resize(8 * std::max<size_t>(small, 1));
  if constexpr (kComplex<T>) {  // the sizes in the documentation of zgesdd; there is no question for these
    workspace_.reals.resize(std::max<size_t>(
        1, vectors == Vectors::None
               ? 7 * small
               : std::max(5 * small * small + 5 * small, 2 * large * small + 2 * small * small + small)));
    functions<T>().gesdd(&job_, &m, &n, nullptr, &lda, nullptr, nullptr, &lda, nullptr, &ldvh, &answer, &kAsk, nullptr,
                         nullptr, &info, 1);
  } else {
    functions<T>().gesdd(&job_, &m, &n, nullptr, &lda, nullptr, nullptr, &lda, nullptr, &ldvh, &answer, &kAsk, nullptr,
                         &info, 1);
  }
  workspace_.numbers.resize(size_from(answer));
}
template <class T>
int SingularValues<T>::run(T* a, Real<T>* s, T* u, T* vh) {
  auto& [numbers, reals, integers] = workspace_;
  const int32_t lda = leading(m_), ldvh = leading(rows_vh_), size = size_of(numbers);
  int32_t info = 0;
  if constexpr (kComplex<T>)
    functions<T>().gesdd(&job_, &m_, &n_, a, &lda, s, u, &lda, vh, &ldvh, numbers.data(), &size, reals.data(),
                         integers.data(), &info, 1);
  else
    functions<T>().gesdd(&job_, &m_, &n_, a, &lda, s, u, &lda, vh, &ldvh, numbers.data(), &size, integers.data(), &info,
                         1);
  return info;
}

#define ONDOL_FOR(T)                                                                            \
  template int potrf(char, int32_t, T*, int32_t);                                               \
  template int getrf(int32_t, int32_t, T*, int32_t, int32_t*);                                  \
  template void getrs(char, int32_t, int32_t, const T*, int32_t, const int32_t*, T*, int32_t);  \
  template void trsm(char, char, char, bool, int32_t, int32_t, const T*, int32_t, T*, int32_t); \
  template class Reflectors<T>;                                                                 \
  template class GeneralEigen<T>;                                                               \
  template class HermitianEigen<T>;                                                             \
  template class SingularValues<T>;
ONDOL_FOR(float)
ONDOL_FOR(double)
ONDOL_FOR(std::complex<float>)
ONDOL_FOR(std::complex<double>)
#undef ONDOL_FOR

}  // namespace ondol::lapack
