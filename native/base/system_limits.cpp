#include "base/system_limits.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace ondol {
namespace {

/// The first words of a small file of the kernel's; nothing if it does not exist or does not start with a number.
struct Numbers {
  std::optional<double> first, second;
};
Numbers read_numbers(const std::string& path) {
  std::ifstream file(path);
  Numbers result;
  double number;
  if (file >> number) result.first = number;
  if (result.first && file >> number) result.second = number;
  return result;
}

/// Where this process's cgroup (version 2) and those around it are mounted, innermost first.
template <class Visit>
void for_each_cgroup(Visit visit) {
  std::string path, line;
  for (std::ifstream file("/proc/self/cgroup"); std::getline(file, line);)
    if (line.starts_with("0::")) path = line.substr(3);
  while (path.size() > 1) {
    visit("/sys/fs/cgroup" + path);
    path.resize(path.rfind('/'));
  }
  visit(std::string("/sys/fs/cgroup"));
}

double quota_in_cores() {
  double cores = std::numeric_limits<double>::infinity();
  for_each_cgroup([&](const std::string& group) {
    const Numbers quota = read_numbers(group + "/cpu.max");  // "200000 100000", or "max 100000"
    if (quota.first && quota.second && *quota.second > 0) cores = std::min(cores, *quota.first / *quota.second);
  });
  const Numbers quota = read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");  // version 1; -1: no limit
  const Numbers period = read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (quota.first && period.first && *quota.first > 0 && *period.first > 0)
    cores = std::min(cores, *quota.first / *period.first);
  return cores;
}

int cores_of_affinity() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  // Machines with more cores than cpu_set_t has bits (1024), and other systems.
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

int available_cores() {
  const double cores = std::min<double>(cores_of_affinity(), std::ceil(quota_in_cores()));
  return std::max(1, static_cast<int>(cores));
}

size_t available_memory() {
  double bytes = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  for_each_cgroup([&](const std::string& group) {
    const Numbers limit = read_numbers(group + "/memory.max");
    if (limit.first) bytes = std::min(bytes, *limit.first);
  });
  const Numbers limit = read_numbers("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  if (limit.first) bytes = std::min(bytes, *limit.first);
  return static_cast<size_t>(bytes);
}

}  // namespace ondol
