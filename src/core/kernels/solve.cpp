// The family "solve", compiled once per instruction set.
#include "kernels/half_step.hpp"
#include "kernels/lane_solves.hpp"
#include "kernels/pivoting.hpp"
#include "kernels/solve_interface.hpp"

namespace nonneg::NONNEG_ISA {

template <class T, class I> static constexpr CsrSolves<T, I> csr_table() {
  return {csr_update<T, I>};
}

template <class T> static constexpr LaneSolves<T> lane_table() {
  return {[](int k) { return is_narrow<T>(k); },
          numbers_in_lanes<T>,
          rows_to_lanes<T>,
          columns_to_lanes<T>,
          rows_from_lanes<T>,
          lane_product<T>,
          lane_sweep<T>};
}

template <class T> static constexpr SolveKernels<T> table() {
  return {update_bytes<T>,
          solve_only<T>,
          exact_scratch,
          exact_all<T>,
          {dense_update<T>},
          lane_table<T>(),
          csr_table<T, int32_t>(),
          csr_table<T, int64_t>()};
}

extern const ByDtype<SolveKernels> solve;
const ByDtype<SolveKernels> solve{table<float>(), table<double>()};

} // namespace nonneg::NONNEG_ISA
