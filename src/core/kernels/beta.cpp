// The family "beta", compiled once per instruction set.
#include "kernels/beta_dense.hpp"
#include "kernels/beta_entries.hpp"
#include "kernels/beta_interface.hpp"
#include "kernels/beta_rows.hpp"
#include "kernels/beta_tiles.hpp"
#include "kernels/scaled_rows.hpp"

namespace nonneg::NONNEG_ISA {

template <class T, class I> static constexpr CsrBeta<T, I> csr_table() {
  return {csr_beta<T, I>, csr_kullback_panel<T, I>};
}

template <class T> static constexpr BetaKernels<T> table() {
  return {beta_scratch<T>,
          multiply_rows<T>,
          gather_scaled<T>,
          move_scaled<T>,
          column_sums<T>,
          {dense_beta_scratch<T>, factor_stride<T>, dense_beta<T>, reduce_turned<T>},
          csr_table<T, int32_t>(),
          csr_table<T, int64_t>()};
}

extern const ByDtype<BetaKernels> beta;
const ByDtype<BetaKernels> beta{table<float>(), table<double>()};

} // namespace nonneg::NONNEG_ISA
