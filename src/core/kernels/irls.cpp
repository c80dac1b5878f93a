// The family "irls", compiled once per instruction set.
#include "kernels/irls_rows.hpp"

namespace nonneg::NONNEG_ISA {

template <class T> static constexpr IrlsKernels<T> table() {
  return {irls_scratch<T>, factor_stride<T>, irls_step<T>};
}

extern const ByDtype<IrlsKernels> irls;
const ByDtype<IrlsKernels> irls{table<float>(), table<double>()};

} // namespace nonneg::NONNEG_ISA
