#include "dispatch.hpp"

namespace nonneg {

#if defined(__x86_64__)
namespace x86_64_v2 {
extern const KernelTable table;
}
namespace x86_64_v3 {
extern const KernelTable table;
}
namespace x86_64_v4 {
extern const KernelTable table;
}
#else
namespace generic {
extern const KernelTable table;
}
#endif

namespace {

struct Candidate {
  const KernelTable *table;
  bool supported;
};

// The processor and the operating system must both support a set: the built-in asks
// CPUID and XGETBV.
std::vector<Candidate> candidates() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 =
      v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl");
  return {{&x86_64_v4::table, v4}, {&x86_64_v3::table, v3}, {&x86_64_v2::table, v2}};
#else
  return {{&generic::table, true}};
#endif
}

const KernelTable *chosen = nullptr;

} // namespace

std::vector<std::string> available_sets() {
  std::vector<std::string> names;
  for (const Candidate &candidate : candidates())
    if (candidate.supported)
      names.emplace_back(candidate.table->name);
  return names;
}

bool choose_set(const std::string &name) {
  for (const Candidate &candidate : candidates())
    if (candidate.supported && (name.empty() || name == candidate.table->name)) {
      chosen = candidate.table;
      return true;
    }
  return false;
}

const KernelTable &kernel_table() { return *chosen; }

} // namespace nonneg
