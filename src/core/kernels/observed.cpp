// The family "observed", compiled once per instruction set.
#include "kernels/imputed_rows.hpp"
#include "kernels/named_products.hpp"
#include "kernels/observed_interface.hpp"
#include "kernels/rows_apart.hpp"

namespace nonneg::NONNEG_ISA {

template <class T, class I> static constexpr CsrObserved<T, I> csr_table() {
  return {named_product<T, I>, named_square<T, I>, rows_apart<T, I>, impute<T, I>};
}

template <class T> static constexpr ObservedKernels<T> table() {
  return {apart_bytes, csr_table<T, int32_t>(), csr_table<T, int64_t>()};
}

extern const ByDtype<ObservedKernels> observed;
const ByDtype<ObservedKernels> observed{table<float>(), table<double>()};

} // namespace nonneg::NONNEG_ISA
