// Driver of the exact row solve: tasks of rows on the pool.
#pragma once

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// Returns false if the run was asked to stop; rows not reached keep their values.
template <class T>
bool exact(const Kernels<T> &, const Exact &, MatrixView<T> A, MatrixView<const T> P,
           ExactSums &, Run);

} // namespace nonneg
