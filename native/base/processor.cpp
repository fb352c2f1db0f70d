#include "base/processor.h"

#include "kernel_levels.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ondol {
namespace {

#if defined(__x86_64__)

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);  // leaves r alone if the leaf does not exist
  return r;
}

/// Which registers the operating system saves when it switches threads (the XCR0 register).
unsigned saved_registers() {
  unsigned low, high;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

constexpr bool has(unsigned word, std::initializer_list<int> bits) {
  for (int bit : bits)
    if (!(word >> bit & 1)) return false;
  return true;
}

Processor detect() {
  const Registers basic = cpuid(1, 0), extended = cpuid(0x80000001, 0);
  const Registers structured = cpuid(7, 0), structured1 = cpuid(7, 1);
  const bool os_saves = has(basic.c, {27});
  const unsigned saved = os_saves ? saved_registers() : 0;
  const bool avx_saved = has(saved, {1, 2});
  const bool avx512_saved = avx_saved && has(saved, {5, 6, 7});
  const bool tiles_saved = has(saved, {17, 18});

  Processor p{};
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF.
  p.v2 = has(basic.c, {0, 9, 13, 19, 20, 23}) && has(extended.c, {0});
  // FMA, MOVBE, AVX, F16C; LZCNT; BMI1, AVX2, BMI2.
  p.v3 = p.v2 && avx_saved && has(basic.c, {12, 22, 28, 29}) && has(extended.c, {5}) && has(structured.b, {3, 5, 8});
  // AVX-512 F, DQ, CD, BW, VL.
  p.v4 = p.v3 && avx512_saved && has(structured.b, {16, 17, 28, 30, 31});
  p.avx512_vnni = p.v4 && has(structured.c, {11});
  p.avx512_bf16 = p.v4 && has(structured1.a, {5});
  // AMX-BF16, AMX-TILE, AMX-INT8.
  p.amx = p.v4 && tiles_saved && has(structured.d, {22, 24, 25});
  return p;
}

#else

Processor detect() { return {}; }

#endif

/// The levels of which this build has kernels, the lowest first.
constexpr const char* built_levels[] = {
#define NAME_OF(level) #level,
    ONDOL_EACH_LEVEL(NAME_OF)
#undef NAME_OF
};

bool runs_here(const char* level) {
  const Processor& p = processor();
  const auto is = [level](const char* name) { return std::strcmp(level, name) == 0; };
  return is("v4") ? p.v4 : is("v3") ? p.v3 : is("v2") ? p.v2 : true;
}

const char* choose_level() {
  const char* best = nullptr;
  std::string names;
  for (const char* level : built_levels) {
    if (runs_here(level)) best = level;
    names += std::string(names.empty() ? "" : ", ") + level;
  }
  if (!best)
    throw std::runtime_error("ondol needs a processor with x86-64-" + std::string(built_levels[0]) +
                             ", and this one is older");
  const char* asked = std::getenv("ONDOL_CPU_LEVEL");
  if (!asked || !*asked) return best;
  for (const char* level : built_levels) {
    if (std::strcmp(asked, level) != 0) continue;
    if (runs_here(level)) return level;
    throw std::runtime_error(std::string("ONDOL_CPU_LEVEL=") + asked + ": this processor has x86-64-" + best +
                             " at most; unset the variable or name a lower level");
  }
  throw std::runtime_error(std::string("ONDOL_CPU_LEVEL=") + asked + ": unknown level; use one of " + names +
                           ", or unset it");
}

}  // namespace

const Processor& processor() {
  static const Processor detected = detect();
  return detected;
}

const char* kernel_level() {
  static const char* level = choose_level();
  return level;
}

}  // namespace ondol
