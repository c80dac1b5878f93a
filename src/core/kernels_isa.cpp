// Every kernel, compiled once per instruction set into a namespace of its own.
//
// NONNEG_ISA names the namespace, NONNEG_ISA_NAME the set as users know it, and
// NONNEG_VECTOR_BYTES the width of its vectors. Nothing of the standard library with
// external linkage may be instantiated here: the linker would keep one copy for all
// sets, perhaps one that an older processor cannot run (tools/check_symbols.sh).
#include <type_traits>
#include <utility>

#include "kernels.hpp"

namespace nonneg::NONNEG_ISA {

#include "simd.hpp"

#include "sweep.inl"

#include "adaptive.inl"

#include "bpp_tile.inl"

#include "bpp_factor.inl"

#include "bpp_active.inl"

#include "bpp.inl"

#include "exact.inl"

#include "summary.inl"

#include "products.inl"

#include "update.inl"

#include "elementary.inl"

#include "beta.inl"

#include "newton.inl"

#include "scaled.inl"

template <class T, class I> static constexpr CsrKernels<T, I> csr_kernels() {
  return {csr_product<T, I>, csr_transposed<T, I>, csr_transposed_panel<T, I>,
          csr_update<T, I>, csr_beta<T, I>, csr_newton<T, I>,
          csr_kullback_panel<T, I>};
}

template <class T> static constexpr Kernels<T> kernels() {
  return {[](int k) { return padded<T>(k); },
          scratch_bytes<T>,
          solve_only<T>,
          exact_scratch,
          exact_rows<T>,
          beta_scratch<T>,
          newton_scratch<T>,
          multiply_rows<T>,
          gather_scaled<T>,
          move_scaled<T>,
          column_sums<T>,
          gram_only<T>,
          summary<T>,
          pack<T>,
          reduce<T>,
          {dense_product<T>, dense_transposed<T>, dense_update<T>, dense_beta<T>, dense_newton<T>},
          csr_kernels<T, int32_t>(),
          csr_kernels<T, int64_t>()};
}

extern const KernelTable table;
const KernelTable table{NONNEG_ISA_NAME, kernels<float>(), kernels<double>()};

} // namespace nonneg::NONNEG_ISA
