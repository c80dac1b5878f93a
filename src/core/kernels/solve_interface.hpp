// Table of the kernels of the family "solve": the rows of a factor by their right-hand
// sides, alone or fused with the products that make those and that follow.
#pragma once

#include <cstddef>
#include <cstdint>
#include "kernels/views.hpp"

namespace nonneg {

// One cyclic coordinate sweep on 1/2 a G a' - (p - l1) a' over a >= 0, row by row.
template <class T> struct Sweep {
  const T *gram;        // k x k
  const T *inverse;     // 1 / G[t,t], 0 where the coordinate has no curvature
  const T *l1;          // k
  const int64_t *order; // k coordinates, in the order of their visits
  int k;
};

// Exact minimisation of 1/2 a G a' - (p - l1) a' over 0 <= a <= upper, row by row; always
// in float64.
struct Exact {
  const double *gram;  // k x k, positive semi-definite, L2 on its diagonal
  const double *l1;    // k
  const double *upper; // k, not negative, or null for none
  int k;
  bool fixed = false; // solve on the given passive sets, whatever the signs
  bool (*stop)() = nullptr; // asked now and then; true: the remaining rows stay as they are
};

struct ExactSums {
  double cross = 0;            // <p, a> after the solve
  int64_t fallbacks = 0;       // rows that pivoting did not finish
  int64_t factorizations = 0;  // one per row and passive set tried
  double *gradient = nullptr;  // k, or null: += squared projected gradient after the solve
};

// How the rows of a factor are solved for, given their right-hand sides.
// Multiplicative: a p / (a G + l1), entry by entry.
enum class Method { sweep, adaptive, multiplicative, exact };

template <class T> struct Solve {
  Sweep<T> sweep; // exact: k alone
  Exact exact;
  Method method = Method::sweep;
  int most = 1;             // adaptive: sweeps at most; exact: such sweeps beforehand
  T settled = 0;            // a row stops at this share of its first squared step
  T momentum = 0;
  bool wants_cross = true;
  bool unmeasured = false;  // exact: neither measures nor the decrease are asked for
};

struct SolveSums {
  double violation = 0; // sum of |projected gradient|, each just before its update
  double cross = 0;     // <p, a> after the solve; <extra, result> where some components move
  double decrease = 0;  // adaptive, exact: decrease of the objective
  double sweeps = 0;    // sweeps, or passive sets tried, summed over the rows
};

// One of the models that share a pass: packed side by side without gaps, `offset` numbers from
// the left; the padding is behind the last one.
template <class T> struct Model {
  Solve<T> solve;
  RowArrays<T> rows;
  int offset;
  // What right-hand sides and results are multiplied by, row by row, and what is then added
  // to the former; null for nothing.
  const T *scale = nullptr;
  MatrixView<const T> extra{};
  // Components whose products are made, n_moving of them in ascending order: these alone are
  // packed. The right-hand sides of the others are those of `extra`. Null: all.
  const int64_t *moving = nullptr;
  int n_moving = 0;

  int packed() const { return moving ? n_moving : solve.sweep.k; }
  // Whether those that move follow each other.
  bool moves_together() const { return moving[n_moving - 1] - moving[0] == n_moving - 1; }
};

// Sums of a model that a block adds to: the Gram matrix of its result (k x k, or null) and
// 2 k sums of squares (projected gradient, right-hand side), but for the
// methods sweep and multiplicative.
struct ModelSums {
  double *gram, *measures;
  SolveSums sums;
};

template <class T, class I> struct CsrSolves {
  // Product, solve and sums of every model: each row of X is read once. B and rhs
  // (X' times the results, or null) are packed to `width`.
  void (*update)(const CsrView<T, I> &, Index first, Index last, const T *B, int width,
                 const Model<T> *, ModelSums *, int n_models, T *rhs, void *scratch);
};

template <class T> struct DenseSolves {
  // The block is X, whose first row is the factors' row `first`.
  void (*update)(MatrixView<const T> X, Index first, const T *B, int width,
                 const Model<T> *, ModelSums *, int n_models, T *rhs, const Blas &,
                 void *scratch);
};

// Half-steps of coordinate descent with rows in lanes: tiles of rows, one after the other, each with
// a vector or several for each column. Those of X, in either direction, of both factors and of their
// right-hand sides stay there.
template <class T> struct LaneSolves {
  bool (*takes)(int k);
  // Numbers in lanes of so many rows.
  Index (*numbers)(Index n_rows, Index n_columns);
  void (*from_rows)(MatrixView<const T> A, T *lanes);
  void (*from_columns)(MatrixView<const T> A, T *lanes); // which become the rows
  void (*to_rows)(const T *lanes, MatrixView<T> A);
  // P = X B, B with n_columns rows and k columns.
  void (*product)(const T *X, Index n_rows, Index n_columns, const T *B, int k, T *P);
  // Sweeps over A; gram (k x k) = A'A, on and above the diagonal.
  void (*sweep)(const Sweep<T> &, T *A, const T *P, Index n_rows, SolveSums &, double *gram);
};

template <class T> struct SolveKernels {
  // Bytes of scratch, 64-byte aligned, for `rows`, `update` and the products' `gram` on a
  // block of n_rows and packed rows of `width` numbers, for at most k components a model.
  size_t (*scratch_bytes)(Index n_rows, int width, int k);
  void (*rows)(const Solve<T> &, const RowArrays<T> &, MatrixView<const T> P, SolveSums &,
               double *measures, void *scratch);
  // Bytes of scratch, 64-byte aligned, for `exact` on any number of rows.
  size_t (*exact_scratch)(int k);
  // Positive entries of A are the passive sets to start from.
  void (*exact)(const Exact &, MatrixView<T> A, MatrixView<const T> P, ExactSums &,
                void *scratch);
  DenseSolves<T> dense;
  LaneSolves<T> lanes;
  CsrSolves<T, int32_t> csr32;
  CsrSolves<T, int64_t> csr64;
};

} // namespace nonneg
