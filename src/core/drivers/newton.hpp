// Driver of the scalar Newton half-step for the Kullback-Leibler divergence.
#pragma once

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// Solves for the rows of a factor beside Ht; false if it was asked to stop.
template <class T, class X>
bool newton(const Kernels<T> &, const X &, const Newton<T> &, const RowArrays<T> &,
            MatrixView<const T> Ht, NewtonSums &, Run);

} // namespace nonneg
