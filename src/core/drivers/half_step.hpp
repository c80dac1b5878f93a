// Drivers that solve for the rows of a factor: by a right-hand side, or fused with the
// products that make it and that follow.
#pragma once

#include <vector>

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// Rows in classes, each with solves of its own: class a has [bounds[a], bounds[a + 1]). Null: one.
struct RowClasses {
  const int64_t *bounds = nullptr;
  Index n = 1;

  Index end(Index a, Index n_rows) const { return bounds ? bounds[a + 1] : n_rows; }
};

// One of the models that a fused half-step moves together.
template <class T> struct FusedModel {
  Model<T> model;
  MatrixView<const T> Ht;   // the other factor
  MatrixView<T> rhs;        // X' times the result (n_cols x k), if rhs.data
  double *gram;             // Gram matrix of the result (k x k), with rhs
  double *measures;         // 2 k sums of squares, but for Method::sweep
  SolveSums sums;
  // Instead of model.solve where rows are in classes: one for each; gram then is (n k x k).
  std::vector<Solve<T>> of_class{};
};

// Each returns false if the run was asked to stop; rows not reached keep their values.

// Solves for the rows of one factor by right-hand sides P at hand. gram_solved and
// gram_result (k x k, or null) receive the Gram matrices of solved and of the result.
template <class T>
bool solve(const Kernels<T> &, const Solve<T> &, const RowArrays<T> &,
           MatrixView<const T> P, double *gram_solved, double *gram_result,
           double *measures, SolveSums &, Run);

// Fused half-step: the product with X, the solve and the sums for the other half, X read
// once for all models. Either all of them want sums or none. Where they don't, `look`, if
// not null, receives the sums of the entries of a dense X; blocks with an entry that is
// negative or not finite are then left out.
template <class T, class X>
bool update(const Kernels<T> &, const X &, FusedModel<T> *, int n_models, Run,
            const RowClasses & = {}, Summary *look = nullptr);

} // namespace nonneg
