// Iterations of adaptive sweeps with extrapolation and restart in one call: where X is small, what
// lies between two half-steps takes longer than the half-steps.
#pragma once

#include <cstdint>

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// The three arrays of a factor, and what is in them, by their numbers: the start of the next solve,
// the plain iterate, the best one; then where the last solve went, before and after extrapolation.
template <class T> struct TurningRows {
  MatrixView<T> arrays[3];
  int64_t *roles; // start, plain, best, solved, moved
};

// Numbers that iterations hand on.
struct MomentumState {
  double momentum, cap, last, best;
  double pause, quiet, n_iter; // whole numbers
};

// How the momentum goes, and when a fit has converged; see solvers/steps/momentum.py.
struct MomentumRule {
  double growth, cap_growth, shrinkage;
  double tol, nearly, least_decrease;
  int64_t pause, reset; // iterations of a pause; every so many go without momentum, 0: none
};

template <class T> struct Extrapolation {
  TurningRows<T> W, H;
  double *gram_H; // k x k, of the start of H; that of the next start in the end
  MomentumState *state;
  uint8_t *restarts; // of the last n_recent iterations
  double *decreases, *values; // of the last n_settled iterations
  Index n_recent, n_settled;
  MomentumRule rule;
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
