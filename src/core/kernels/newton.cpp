// The family "newton", compiled once per instruction set.
#include "kernels/newton_blocks.hpp"
#include "kernels/newton_interface.hpp"

namespace nonneg::NONNEG_ISA {

template <class T, class I> static constexpr CsrNewton<T, I> csr_table() {
  return {csr_newton<T, I>};
}

template <class T> static constexpr NewtonKernels<T> table() {
  return {newton_scratch<T>,
          {dense_newton<T>},
          csr_table<T, int32_t>(),
          csr_table<T, int64_t>()};
}

extern const ByDtype<NewtonKernels> newton;
const ByDtype<NewtonKernels> newton{table<float>(), table<double>()};

} // namespace nonneg::NONNEG_ISA
