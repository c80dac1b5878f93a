// Iterations of scalar Newton sweeps with extrapolation and restart in one call: where X is small,
// what lies between two half-steps takes longer than the half-steps.
#pragma once

#include "drivers/turns.hpp"

namespace nonneg {

template <class T> struct NewtonStretch {
  Turns<T> turns;
  Newton<T> steps; // without column sums, whose l1 and l2 are 0; its momentum is not used
  double warm_up;  // so many iterations of a fit go without momentum
  double total;    // the sum of X
  double least;    // objectives that are not above it are for the caller to judge
  Index most;      // iterations
  double *reports; // objective, residual and decrease of each
};

struct NewtonEnd {
  Index done = 0;         // whole iterations
  bool converged = false; // after the last of them
  bool pending = false;   // one more is solved for, but the caller has to judge and to accept it
  double value = 0, violation = 0; // of the last one
};

// Xt is the transpose of X, by rows. Returns false if the run was asked to stop.
template <class T, class X>
bool newton_stretch(const Kernels<T> &, const X &, const X &Xt, const NewtonStretch<T> &,
                    NewtonEnd &, Run);

} // namespace nonneg
