// Iterations of adaptive sweeps with extrapolation and restart in one call: where X is small, what
// lies between two half-steps takes longer than the half-steps.
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

// Returns false if the run was asked to stop.
template <class T, class X>
bool extrapolate(const Kernels<T> &, const X &, const Extrapolation<T> &, ExtrapolationEnd &, Run);

} // namespace nonneg
