#pragma once

#include <cstddef>

namespace ondol {

/// The processor cores that this process may use: those of its affinity mask, within its cgroup's quota.
int available_cores();

/// The bytes of memory that this process may use: the machine's, within its cgroup's limit.
size_t available_memory();

}  // namespace ondol
