// The kernels' interface: a table of function pointers for each family and dtype.
//
// Kernels work on one block of rows, know nothing of threads or Python, allocate nothing,
// and keep every reported sum in float64. The drivers cut the work into blocks, own the
// scratch memory and add sums up in a fixed order.
#pragma once

#include "kernels/beta_interface.hpp"
#include "kernels/bounded_interface.hpp"
#include "kernels/irls_interface.hpp"
#include "kernels/newton_interface.hpp"
#include "kernels/observed_interface.hpp"
#include "kernels/product_interface.hpp"
#include "kernels/solve_interface.hpp"

namespace nonneg {

template <class T> struct Kernels {
  ProductKernels<T> products;
  SolveKernels<T> solve;
  BetaKernels<T> beta;
  NewtonKernels<T> newton;
  ObservedKernels<T> observed;
  BoundedKernels<T> bounded;
  IrlsKernels<T> irls;
};

struct KernelTable {
  const char *name; // of the instruction set
  Kernels<float> f32;
  Kernels<double> f64;
};

} // namespace nonneg
