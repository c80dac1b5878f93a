// Half-steps of coordinate descent on a small dense X, all arrays with their rows in lanes.
#pragma once

#include <algorithm>

#include "drivers/alternation.hpp"
#include "drivers/buffers.hpp"
#include "drivers/grams.hpp"
#include "drivers/storage.hpp"
#include "drivers/tuning.hpp"

namespace nonneg {

// Whether no penalty pulls entries up: rows that fill up a tile then stay zero.
template <class T> bool keeps_zeros(const SweptFactor<T> &factor) {
  return std::all_of(factor.l1, factor.l1 + factor.rows.cols, [](T l1) { return l1 >= 0; });
}

// Whether X is so small, and of so few components, that rows stay in lanes. Sums are added up for
// each block and task: there must be one of them, for the bits of passes over X.
template <class T>
bool fits_in_lanes(const Kernels<T> &K, const MatrixView<const T> &x, const Alternation<T> &a) {
  return a.most >= kLeastInLanes && x.rows <= block_rows(x) && x.cols <= kFactorBlock &&
         K.solve.lanes.takes(static_cast<int>(a.inner.rows.cols)) && keeps_zeros(a.inner) &&
         keeps_zeros(a.outer);
}

template <class T> class LaneMoves {
public:
  LaneMoves(const Kernels<T> &K, const MatrixView<const T> &x, const Alternation<T> &a)
      : lanes_(K.solve.lanes), x_(x), a_(a), k_(static_cast<int>(a.inner.rows.cols)),
        by_rows_(numbers(x.rows, x.cols)), by_columns_(numbers(x.cols, x.rows)),
        inner_(numbers(x.rows, k_)), outer_(numbers(x.cols, k_)), inner_rhs_(numbers(x.rows, k_)),
        outer_rhs_(numbers(x.cols, k_)) {
    lanes_.from_rows(x, by_rows_.get());
    lanes_.from_columns(x, by_columns_.get());
    lanes_.from_rows(constant(a.inner.rows), inner_.get());
    lanes_.from_rows(constant(a.outer.rows), outer_.get());
    if (a.outer_first)
      lanes_.from_rows(constant(a.rhs), outer_rhs_.get());
  }

  bool inner(const Solve<T> &solve, SolveSums &sums) {
    lanes_.product(by_rows_.get(), x_.rows, x_.cols, outer_.get(), k_, inner_rhs_.get());
    sweep(solve.sweep, inner_, inner_rhs_, x_.rows, sums, a_.gram_inner);
    lanes_.product(by_columns_.get(), x_.cols, x_.rows, inner_.get(), k_, outer_rhs_.get());
    return true;
  }

  bool outer(const Solve<T> &solve, SolveSums &sums) {
    sweep(solve.sweep, outer_, outer_rhs_, x_.cols, sums, a_.gram_outer);
    return true;
  }

  // The factors and the products for `outer` as the caller wants them.
  void write_factors() {
    lanes_.to_rows(inner_.get(), a_.inner.rows);
    lanes_.to_rows(outer_.get(), a_.outer.rows);
    lanes_.to_rows(outer_rhs_.get(), a_.rhs);
  }

private:
  size_t numbers(Index n_rows, Index n_columns) const {
    return static_cast<size_t>(lanes_.numbers(n_rows, n_columns));
  }

  static MatrixView<const T> constant(const MatrixView<T> &A) {
    return {A.data, A.rows, A.cols, A.stride};
  }

  void sweep(const Sweep<T> &s, const Buffer<T> &A, const Buffer<T> &P, Index n_rows,
             SolveSums &sums, double *gram) const {
    lanes_.sweep(s, A.get(), P.get(), n_rows, sums, gram);
    symmetrize(gram, k_);
  }

  const LaneSolves<T> &lanes_;
  const MatrixView<const T> &x_;
  const Alternation<T> &a_;
  int k_;
  Buffer<T> by_rows_, by_columns_, inner_, outer_, inner_rhs_, outer_rhs_;
};

} // namespace nonneg
