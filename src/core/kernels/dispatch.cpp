#include "kernels/dispatch.hpp"

#include "kernels/x86_levels.hpp"

namespace nonneg {

// The tables that the families define for each instruction set.
#define NONNEG_SET(set)                                                                    \
  namespace set {                                                                          \
  extern const ByDtype<ProductKernels> products;                                           \
  extern const ByDtype<SolveKernels> solve;                                                \
  extern const ByDtype<BetaKernels> beta;                                                  \
  extern const ByDtype<NewtonKernels> newton;                                              \
  extern const ByDtype<ObservedKernels> observed;                                          \
  extern const ByDtype<BoundedKernels> bounded;                                            \
  extern const ByDtype<IrlsKernels> irls;                                                  \
  static KernelTable table(const char *name) {                                             \
    return {name,                                                                          \
            {products.f32, solve.f32, beta.f32, newton.f32, observed.f32, bounded.f32,     \
             irls.f32},                                                                    \
            {products.f64, solve.f64, beta.f64, newton.f64, observed.f64, bounded.f64,     \
             irls.f64}};                                                                   \
  }                                                                                        \
  }

#ifdef NONNEG_HAS_x86_64_v2
NONNEG_SET(x86_64_v2)
#endif
#ifdef NONNEG_HAS_x86_64_v3
NONNEG_SET(x86_64_v3)
#endif
#ifdef NONNEG_HAS_x86_64_v4
NONNEG_SET(x86_64_v4)
#endif
#ifdef NONNEG_HAS_generic
NONNEG_SET(generic)
#endif

namespace {

struct Candidate {
  const char *name;
  KernelTable (*table)(const char *name);
  bool supported;
};

// The processor and the operating system must both support a set.
std::vector<Candidate> candidates() {
#if defined(__x86_64__)
  return {
#ifdef NONNEG_HAS_x86_64_v4
      {"x86-64-v4", x86_64_v4::table, supports_x86_level(4)},
#endif
#ifdef NONNEG_HAS_x86_64_v3
      {"x86-64-v3", x86_64_v3::table, supports_x86_level(3)},
#endif
#ifdef NONNEG_HAS_x86_64_v2
      {"x86-64-v2", x86_64_v2::table, supports_x86_level(2)},
#endif
  };
#else
  return {{"generic", generic::table, true}};
#endif
}

KernelTable chosen{};

} // namespace

std::vector<std::string> available_sets() {
  std::vector<std::string> names;
  for (const Candidate &candidate : candidates())
    if (candidate.supported)
      names.emplace_back(candidate.name);
  return names;
}

bool choose_set(const std::string &name) {
  for (const Candidate &candidate : candidates())
    if (candidate.supported && (name.empty() || name == candidate.name)) {
      chosen = candidate.table(candidate.name);
      return true;
    }
  return false;
}

const KernelTable &kernel_table() { return chosen; }

} // namespace nonneg
