#include "base/processor.h"
#include "kernels/table.h"

#include <cstring>

namespace ondol::kernel {

// kernels/cpu/fill.cpp, compiled once per level.
#if defined(__x86_64__)
namespace v2 {
void fill(Table& table);
}
namespace v3 {
void fill(Table& table);
}
namespace v4 {
void fill(Table& table);
}
#else
namespace generic {
void fill(Table& table);
}
#endif

namespace {

Table choose() {
  Table chosen{};
  const char* level = kernel_level();
#if defined(__x86_64__)
  if (std::strcmp(level, "v4") == 0)
    v4::fill(chosen);
  else if (std::strcmp(level, "v3") == 0)
    v3::fill(chosen);
  else
    v2::fill(chosen);
#else
  (void)level;
  generic::fill(chosen);
#endif
  return chosen;
}

}  // namespace

const Table& table() {
  static const Table chosen = choose();
  return chosen;
}

}  // namespace ondol::kernel
