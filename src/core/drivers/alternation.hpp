// Iterations of cyclic coordinate descent, one sweep over each factor, in one call: where X is
// small, a call for each half-step takes longer than the half-step.
#pragma once

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// A factor with its penalty: Q (k x k) is added to the other one's Gram matrix.
template <class T> struct SweptFactor {
  MatrixView<T> rows;
  const double *Q;
  const T *l1;
};

// `inner` has a row for each row of X, and moves in the pass over X; `outer` has one for each
// column, and moves by the sums of that pass.
template <class T> struct Alternation {
  SweptFactor<T> inner, outer;
  bool outer_first;                // whether `outer` is W, which always moves first
  double *gram_inner, *gram_outer; // k x k, of the current factors; read where needed first
  MatrixView<T> rhs;               // X' times `inner`; read where `outer` moves first
  const int64_t *order;            // k coordinates
  // The stopping rule: a violation at most tol times the first one, or at most `rounding`.
  double first_violation, tol, rounding;
  Index most;                      // iterations
  // Reports of the iterations: violation and <rhs, solved> of the last half-step; the Gram
  // matrices of W and H; their column sums, or null.
  double *measures, *grams, *sums;
};

// Solves for the rows of a factor beside a fixed one, time after time.
template <class T> struct Repetition {
  Solve<T> solve;
  RowArrays<T> rows;
  MatrixView<const T> products; // of X with the fixed factor
  // The stopping rule as above; no violation is at most a tol and a `rounding` below 0.
  double first_violation, tol, rounding;
  Index most;         // solves
  double *violations; // of each
};

// Each returns false if the run was asked to stop. `done` counts whole iterations.

template <class T>
bool repeat(const Kernels<T> &, const Repetition<T> &, Index &done, Run);

template <class T, class X>
bool alternate(const Kernels<T> &, const X &, const Alternation<T> &, Index &done, Run);

} // namespace nonneg
