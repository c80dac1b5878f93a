// Drivers: cut a pass over X into fixed blocks, run the kernels on the pool, add sums up
// in a fixed order. Neither blocks nor slots depend on the number of threads.
#pragma once

#include <type_traits>

#include "kernels.hpp"
#include "parallel.hpp"

namespace nonneg {

struct Run {
  int n_threads;
  Poll poll;
};

extern Blas blas; // set once, when the module is imported

// Each returns false if the run was asked to stop; rows not reached keep their values.

template <class T>
bool sweep(const Kernels<T> &, const Sweep<T> &, MatrixView<T> A, MatrixView<const T> P,
           SweepSums &, Run);

// G (k x k) = A'A.
template <class T> bool gram(const Kernels<T> &, MatrixView<const T> A, double *G, Run);

// out = X B.
template <class T, class X>
bool matmul(const Kernels<T> &, const X &, MatrixView<const T> B, MatrixView<T> out, Run);

// out = X' A.
template <class T, class X>
bool rmatmul(const Kernels<T> &, const X &, MatrixView<const T> A, MatrixView<T> out, Run);

// Fused half-step; rhs (n_cols x k) = X' A and G (k x k) = A'A after it, if rhs.data.
template <class T, class X>
bool update(const Kernels<T> &, const X &, MatrixView<const T> Ht, const Sweep<T> &,
            MatrixView<T> A, MatrixView<T> rhs, double *G, SweepSums &, Run);

} // namespace nonneg
