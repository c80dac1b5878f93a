// Products with packed factors that other families call: compiled once, in products.cpp.
#pragma once

#include "kernels/views.hpp"

#ifndef NONNEG_ISA
#error "kernels are compiled for one instruction set, which NONNEG_ISA names"
#endif

namespace nonneg::NONNEG_ISA {

// P (packed rows of kp numbers, k of them wanted) = X B.
template <class T>
void dense_product_packed(MatrixView<const T> X, const T *B, int k, int kp, T *P,
                          const Blas &);

// sum (packed) += X' A, A packed rows of kp numbers, k of them wanted.
template <class T>
void dense_transposed_packed(MatrixView<const T> X, const T *A, int k, int kp, T *sum,
                             const Blas &);

// P (packed rows) = X B over the rows [first, last).
template <class T, class I>
void csr_product_packed(CsrView<T, I> X, Index first, Index last, const T *B, int kp,
                        T *P, Index *cursor);

// sum (packed) += X' A over the rows [first, last), A packed rows.
template <class T, class I>
void csr_transposed_packed(CsrView<T, I> X, Index first, Index last, const T *A,
                           int kp, T *sum, Index *cursor);

// G (k x k) += A'A, only on and above the diagonal blocks.
template <class T> void gram(MatrixView<const T> A, double *G, double *scratch);

} // namespace nonneg::NONNEG_ISA
