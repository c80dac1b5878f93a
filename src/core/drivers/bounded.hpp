// Driver of the solves for rows within bounds: tasks of rows on the pool.
#pragma once

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// Returns false if the run was asked to stop; rows not reached keep their values.
template <class T>
bool solve_bounded(const Kernels<T> &, const BoxMethod &, const BoxRows<T> &, BoxSums &, Run);

} // namespace nonneg
