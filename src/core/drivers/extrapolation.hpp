// Iterations of adaptive sweeps with extrapolation and restart in one call, and the end of such a
// fit: where X is small, what lies between two half-steps takes longer than the half-steps.
#pragma once

#include "drivers/turns.hpp"

namespace nonneg {

template <class T> struct Extrapolation {
  Turns<T> turns;
  double *gram_H; // k x k, of the start of H; that of the next start in the end
  bool by_columns; // the rows of the matrix that is read are those of H
  // X times the start of H. By columns it is written over by that of the next start; by rows the
  // first iteration takes it, if it is there.
  MatrixView<T> product;
  int sweeps;
  T settled;
  double half_square; // 1/2 |X|^2
  double doubtful;    // objectives below it are summed entry by entry
  double least;       // objectives below it are for the caller to judge
  Index most;         // iterations
  double *reports;    // objective, residual, decrease and sweeps of each
  // Of the last iteration: Gram matrices of the W that H was solved beside, of the solved H and of
  // its extrapolation; measures of W and of H, 2 x k each.
  double *grams, *measures;
};

struct ExtrapolationEnd {
  Index done = 0;         // whole iterations
  bool converged = false; // after the last of them
  bool pending = false;   // one more is solved for, but the caller has to judge and to accept it
  SolveSums W, H;         // of the last solves
};

// The start of a fit: W is given its best scale beside H, and the columns of both equal norms.
template <class T> struct Balance {
  MatrixView<T> W, H, product; // contiguous rows; product = X H
  double *gram_H;              // written: of the H that is left, k x k
};

// <X, W H'> and |W H'|^2 of the factors that are left.
struct BalanceEnd {
  double cross = 0, square = 0;
};

// The end of a fit: an iteration without momentum from the best pair, then an exact solve for W.
template <class T> struct Polish {
  bool by_columns;                    // the rows of the matrix that is read are those of H
  MatrixView<const T> best_W, best_H; // contiguous rows
  MatrixView<T> W, H; // written: that W, and the H it belongs to, unless the best one is better
  int sweeps;
  T settled;
  int exact_sweeps; // before pivoting
  T exact_settled;
  double half_square; // 1/2 |X|^2
  double best;        // objective of the best pair
};

struct PolishEnd {
  bool moves_H = false; // the iteration did not raise the objective: its H is taken
  double objective = 0, residual = 0; // the latter of the iteration
  SolveSums W;                        // of the exact solve
};

// Each returns false if the run was asked to stop.

template <class T> bool balance(const Kernels<T> &, const Balance<T> &, BalanceEnd &, Run);

template <class T, class X>
bool polish(const Kernels<T> &, const X &, const Polish<T> &, PolishEnd &, Run);

template <class T, class X>
bool extrapolate(const Kernels<T> &, const X &, const Extrapolation<T> &, ExtrapolationEnd &, Run);

} // namespace nonneg
