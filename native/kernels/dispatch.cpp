#include "base/processor.h"
#include "kernel_levels.h"
#include "kernels/table.h"

#include <cstring>

namespace ondol::kernel {

// kernels/cpu/fill.cpp, compiled once per level.
#define DECLARE_FILL(level) \
  namespace level {         \
  void fill(Table& table);  \
  }
ONDOL_EACH_LEVEL(DECLARE_FILL)
#undef DECLARE_FILL

namespace {

Table choose() {
  Table chosen{};
  const char* asked = kernel_level();
#define FILL_IF_ASKED(level) \
  if (std::strcmp(asked, #level) == 0) level::fill(chosen);
  ONDOL_EACH_LEVEL(FILL_IF_ASKED)
#undef FILL_IF_ASKED
  fill_storage_conversions(chosen.conversion);
  return chosen;
}

}  // namespace

const Table& table() {
  static const Table chosen = choose();
  return chosen;
}

}  // namespace ondol::kernel
