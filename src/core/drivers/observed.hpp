// Drivers of the kernels for missing and weighted entries, which a CSR matrix names.
#pragma once

#include <cstdint>

#include "drivers/half_step.hpp"
#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// Each returns false if the run was asked to stop; rows not reached keep their values.

// out = (named o A B') C.
template <class T, class I>
bool named_product(const Kernels<T> &, const CsrView<T, I> &named, MatrixView<const T> A,
                   MatrixView<const T> B, MatrixView<const T> C, MatrixView<T> out, Run);

// The sum of named (x - a b)^2, x of the named entries, or null for zeros.
template <class T, class I>
bool named_square(const Kernels<T> &, const CsrView<T, I> &named, const T *x,
                  MatrixView<const T> A, MatrixView<const T> B, double &sum, Run);

// Solves for rows that have Gram matrices of their own, by right-hand sides P.
template <class T, class I>
bool solve_apart(const Kernels<T> &, const CsrView<T, I> &named, const Apart &,
                 const RowArrays<T> &, MatrixView<const T> Ht, MatrixView<const T> P,
                 ApartSums &, Run);

// The missing entries of a dense X: where they are, and how X is scaled.
template <class T, class I> struct Gaps {
  CsrView<T, I> named;
  GapScales<T> scales;
  // Whether the sums for the other half-step have them imputed by the results, else 0.
  bool in_sums;
};

// The fused half-step of `update` for an X of which entries are missing: they are imputed, for
// each model by its start. squares: for each model the sum of squares of what was imputed in
// its sums, scaled.
template <class T, class I>
bool update_imputed(const Kernels<T> &, MatrixView<const T> X, const Gaps<T, I> &,
                    FusedModel<T> *, double *squares, int n_models, Run);

// out = X B with 0 in the place of the entries of X that `named` names.
template <class T, class I>
bool clean_product(const Kernels<T> &, MatrixView<const T> X, const CsrView<T, I> &named,
                   MatrixView<const T> B, MatrixView<T> out, Run);

// The sums over X with 0 in the place of the entries that `named` names.
template <class T, class I>
bool clean_summary(const Kernels<T> &, MatrixView<const T> X, const CsrView<T, I> &named,
                   Summary &, Run);

// The smallest and the largest entry of X, NaN left out.
template <class T> bool extremes(MatrixView<const T> X, double &least, double &most, Run);

// Entries of X that are NaN, or 0: how many there are in each row, and their columns from
// indptr[row] on.
template <class T> bool count_gaps(MatrixView<const T> X, bool zeros, int64_t *counts, Run);
template <class T, class I>
bool list_gaps(MatrixView<const T> X, bool zeros, const I *indptr, I *columns, Run);

// out = X, and 0 where `named` has an entry, whose row `first` is the first of X.
template <class T, class I>
bool clean_rows(MatrixView<const T> X, const CsrView<T, I> &named, Index first,
                MatrixView<T> out, Run);

} // namespace nonneg
