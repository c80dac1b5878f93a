// Products of a block of CSR rows with packed factors.
#pragma once

#include "kernels/csr_entries.hpp"
#include "kernels/packed_products.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

// A block of rows goes through the features by panels that fit into the second-level cache
// where the packed factor is far larger than that cache and the block touches each of its
// rows several times. The entries of a row are still added in their order, so that the bits
// are the same (D-CORE-CSR-PANELS).
constexpr Index kPanelBytes = 1 << 19;
constexpr Index kPanelFactorBytes = 1 << 22;
constexpr Index kPanelTouches = 2;
// Bytes of a packed factor up to which none of its rows are fetched ahead: they are in the
// second-level cache, and an instruction for each costs more than it saves (D-CORE-CSR-NEAR).
constexpr Index kNearBytes = 3 << 16;

// Calls part(row, first, last, end) for the rows [first, last), whole or panel by panel;
// entries up to end may be fetched ahead.
template <class T, class I, class F>
NONNEG_INLINE void for_row_parts(const CsrView<T, I> &X, Index first, Index last, int kp,
                                 Index *cursor, F part) {
  const Index row_bytes = kp * static_cast<Index>(sizeof(T)), factor_bytes = X.cols * row_bytes;
  const Index entries_end = X.indptr[last];
  const Index width = larger<Index>(64, kPanelBytes / row_bytes);
  if (factor_bytes < kPanelFactorBytes ||
      entries_end - X.indptr[first] < kPanelTouches * X.cols) {
    const Index end = factor_bytes > kNearBytes ? entries_end : 0;
    for (Index i = first; i < last; ++i)
      part(i, static_cast<Index>(X.indptr[i]), static_cast<Index>(X.indptr[i + 1]), end);
    return;
  }
  for (Index i = first; i < last; ++i)
    cursor[i - first] = X.indptr[i];
  for (Index column = width; column < X.cols + width; column += width)
    for (Index i = first; i < last; ++i) {
      const Index from = cursor[i - first], row_end = X.indptr[i + 1];
      Index to = from;
      while (to < row_end && static_cast<Index>(X.indices[to]) < column)
        ++to;
      part(i, from, to, to);
      cursor[i - first] = to;
    }
}

// P (packed rows) = X B.
template <class T, class I>
void csr_product_packed(CsrView<T, I> X, Index first, Index last,
                                      const T *B, int kp, T *P, Index *cursor) {
  for (Index i = 0; i < (last - first) * kp; ++i)
    P[i] = 0;
  for_row_parts(X, first, last, kp, cursor,
                [&](Index i, Index from, Index to, Index end) NONNEG_LAMBDA {
                  csr_gather(X, from, to, end, B, kp, P + (i - first) * kp);
                });
}

// sum (packed) += X' A, A packed rows.
template <class T, class I>
void csr_transposed_packed(CsrView<T, I> X, Index first, Index last,
                                         const T *A, int kp, T *sum, Index *cursor) {
  for_row_parts(X, first, last, kp, cursor,
                [&](Index i, Index from, Index to, Index end) NONNEG_LAMBDA {
                  csr_scatter(X, from, to, end, A + (i - first) * kp, kp, sum);
                });
}

template <class T, class I>
static void csr_transposed_panel(const CsrView<T, I> &X, Index column, Index column_end,
                                 MatrixView<const T> A, T *sum, void *scratch) {
  const int k = static_cast<int>(A.cols), kp = padded<T>(k);
  T *packed = static_cast<T *>(scratch);
  for (Index i = 0; i < X.rows; ++i) {
    const Index last = X.indptr[i + 1];
    const Index from = lower_bound(X.indices, X.indptr[i], last, column);
    const Index to = lower_bound(X.indices, from, last, column_end);
    pack_row(A.data + i * A.stride, k, kp, packed);
    csr_scatter(X, from, to, to, packed, kp, sum);
  }
}

} // namespace nonneg::NONNEG_ISA
