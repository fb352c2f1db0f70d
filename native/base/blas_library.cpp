#include "base/blas_library.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>

#include "base/blas.h"
#include "base/processor.h"

namespace ondol::blas {
namespace {

/// Sets a variable of the environment while it lives: OpenBLAS reads them once, as it is loaded, and neither NumPy's
/// own copy nor child processes should see what is meant for ours.
class TemporaryVariable {
 public:
  TemporaryVariable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) before_ = old;
    setenv(name, value, 1);
  }
  ~TemporaryVariable() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }
  TemporaryVariable(const TemporaryVariable&) = delete;
  TemporaryVariable& operator=(const TemporaryVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// The kernels that OpenBLAS should use, or null to let it choose: those of the level of our own. Its own choice goes
/// by the maker of the processor too, and on AMD's Zen 4 and 5 takes the AVX2 kernels, at half the speed of those for
/// AVX-512. The names are Intel's, but the kernels run wherever their instructions do. The builds on the package index
/// have nothing beyond SkylakeX: they take Cooperlake and SapphireRapids for it.
const char* core_type() {
  if (const char* chosen = std::getenv("OPENBLAS_CORETYPE"); chosen && *chosen) return nullptr;
  const std::string level = kernel_level();
  if (level == "v2") return "Nehalem";
  if (level == "v3") return "Haswell";
  if (level == "v4") return "SkylakeX";
  return nullptr;
}

struct Library {
  void* handle = nullptr;
  std::tuple<Functions<float>, Functions<double>, Functions<std::complex<float>>, Functions<std::complex<double>>>
      functions;
  std::string description;

  void* symbol(const char* name) const {
    void* found = dlsym(handle, name);
    if (!found) throw std::runtime_error(std::string("OpenBLAS: the library has no function ") + name);
    return found;
  }
  template <class F>
  void find(F& function, const char* name) {
    void* found = symbol(name);
    std::memcpy(&function, &found, sizeof found);
  }
  template <class T>
  void find_all(char letter) {
    const std::string prefix = std::string("scipy_cblas_") + letter;
    Functions<T>& f = std::get<Functions<T>>(functions);
    find(f.gemm, (prefix + "gemm").c_str());
    find(f.gemv, (prefix + "gemv").c_str());
    if constexpr (std::is_floating_point_v<T>) {
      find(f.dot, (prefix + "dot").c_str());
      f.dot_conjugate = f.dot;
    } else {
      find(f.dot, (prefix + "dotu_sub").c_str());
      find(f.dot_conjugate, (prefix + "dotc_sub").c_str());
    }
  }

  explicit Library(const std::string& path) {
    {
      TemporaryVariable threads("OPENBLAS_NUM_THREADS", "1");
      std::optional<TemporaryVariable> core;
      if (const char* type = core_type()) core.emplace("OPENBLAS_CORETYPE", type);
      handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    if (!handle) throw std::runtime_error("OpenBLAS could not be loaded: " + std::string(dlerror()));
    find_all<float>('s');
    find_all<double>('d');
    find_all<std::complex<float>>('c');
    find_all<std::complex<double>>('z');
    void (*set_threads)(int);
    find(set_threads, "scipy_openblas_set_num_threads");
    set_threads(1);
    char* (*config)();
    char* (*core_name)();
    find(config, "scipy_openblas_get_config");
    find(core_name, "scipy_openblas_get_corename");
    description = std::string(config()) + ", kernels " + core_name();
  }
};

std::atomic<const Library*> library{nullptr};  // never unloaded

const Library& loaded() {
  const Library* found = library.load(std::memory_order_acquire);
  if (!found)
    throw std::runtime_error("OpenBLAS has not been loaded: call blas::load with the path of its library first");
  return *found;
}

}  // namespace

void load(const std::string& library_path) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (!is_loaded()) library.store(new Library(library_path), std::memory_order_release);
}

bool is_loaded() { return library.load(std::memory_order_acquire) != nullptr; }

std::string description() { return loaded().description; }

void* symbol(const std::string& name) { return loaded().symbol(name.c_str()); }

template <class T>
const Functions<T>& functions() {
  return std::get<Functions<T>>(loaded().functions);
}
template const Functions<float>& functions<float>();
template const Functions<double>& functions<double>();
template const Functions<std::complex<float>>& functions<std::complex<float>>();
template const Functions<std::complex<double>>& functions<std::complex<double>>();

}  // namespace ondol::blas
