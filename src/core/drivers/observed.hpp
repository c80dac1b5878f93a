// Drivers of the kernels for missing and weighted entries, which a CSR matrix names.
#pragma once

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// Each returns false if the run was asked to stop; rows not reached keep their values.

// out = (named o A B') C.
template <class T, class I>
bool named_product(const Kernels<T> &, const CsrView<T, I> &named, MatrixView<const T> A,
                   MatrixView<const T> B, MatrixView<const T> C, MatrixView<T> out, Run);

// The sum of named (a b)^2.
template <class T, class I>
bool named_square(const Kernels<T> &, const CsrView<T, I> &named, MatrixView<const T> A,
                  MatrixView<const T> B, double &sum, Run);

// Solves for rows that have Gram matrices of their own, by right-hand sides P.
template <class T, class I>
bool solve_apart(const Kernels<T> &, const CsrView<T, I> &named, const Apart &,
                 const RowArrays<T> &, MatrixView<const T> Ht, MatrixView<const T> P,
                 ApartSums &, Run);

// out = X, and 0 where `named` has an entry, whose row `first` is the first of X.
template <class T, class I>
bool clean_rows(MatrixView<const T> X, const CsrView<T, I> &named, Index first,
                MatrixView<T> out, Run);

} // namespace nonneg
