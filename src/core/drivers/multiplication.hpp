// Multiplicative updates of both factors for the quadratic loss, iteration after iteration in one
// call: where X is small, a call for each half-step takes longer than the half-step.
#pragma once

#include "drivers/alternation.hpp"

namespace nonneg {

template <class T> struct Multiplication {
  SweptFactor<T> inner;    // has a row for each row of X, and moves in the pass over X
  MatrixView<T> outer;     // has one for each column, and moves by the sums of that pass
  Beta<T> step;            // of `outer`
  MatrixView<T> numerator; // X' times `inner`, and `outer` times the Gram matrix of `inner`;
  MatrixView<T> denominator; // read where `outer` moves first
  bool outer_first;
  const int64_t *order; // k coordinates
  Index most;           // iterations
};

// Returns false if the run was asked to stop.
template <class T, class X>
bool multiply_both(const Kernels<T> &, const X &, const Multiplication<T> &, Run);

} // namespace nonneg
