#pragma once

namespace ondol {

/// What this processor and its operating system can run. The levels are those of the x86-64 psABI; all false elsewhere.
struct Processor {
  bool v2, v3, v4;
  bool avx512_bf16, avx512_vnni, amx;
};
const Processor& processor();

/// The instruction set for which kernels are chosen: "v2", "v3" or "v4", on other architectures "generic". The best
/// that the processor has, or what ONDOL_CPU_LEVEL names. Throws std::runtime_error if that is unknown or not
/// supported.
const char* kernel_level();

}  // namespace ondol
