// Driver of the steps of iteratively reweighted non-negative least squares.
#pragma once

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// One step for each row of a factor beside Ht; false if it was asked to stop.
template <class T>
bool irls(const Kernels<T> &, const StridedView<T> &X, const Irls<T> &, const RowArrays<T> &,
          MatrixView<const T> Ht, IrlsSums &, Run);

} // namespace nonneg
