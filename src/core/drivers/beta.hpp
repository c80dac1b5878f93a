// Driver of the multiplicative half-step for β-divergences.
#pragma once

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// A member that is null, or has null data, is not wanted.
template <class T> struct BetaPass {
  Beta<T> options;
  MatrixView<const T> start;
  MatrixView<T> solved, below;
  MatrixView<const T> Ht;            // the other factor
  MatrixView<const T> after;         // what the sums are taken beside; mostly Ht, or null
  MatrixView<T> numerator, denominator; // sums for it; at β = 1 the second is that of bends
  double *value; // the divergence; at β = 1 on CSR without the sum over W H
};

// One pass over X; false if it was asked to stop.
template <class T, class X>
bool beta(const Kernels<T> &, const X &, const BetaPass<T> &, Run);

// solved = the rows of start after a step by sums at hand; denominator.data may be null.
template <class T>
bool multiply(const Kernels<T> &, const Beta<T> &, MatrixView<const T> start,
              MatrixView<const T> numerator, MatrixView<const T> denominator,
              MatrixView<T> solved, Run);

// The rows of a factor base times scale, their sums (k) and, moved, their sums (4 k).
template <class T>
bool gather_scaled(const Kernels<T> &, MatrixView<const T> base, const int64_t *features,
                   const T *scale, MatrixView<T> out, double *sums, Run);
template <class T>
bool move_scaled(const Kernels<T> &, const ScaledMove<T> &, MatrixView<const T> before,
                 MatrixView<const T> numerator, const int64_t *features,
                 MatrixView<T> base, double *sums, Run);

// sums (k) = the sums of A's columns.
template <class T>
bool column_sums(const Kernels<T> &, MatrixView<const T> A, double *sums, Run);

} // namespace nonneg
