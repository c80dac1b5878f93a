// Drivers of the products with X, of Gram matrices and of sums. Drivers cut a pass over X
// into fixed blocks, run the kernels on the pool and add sums up in a fixed order; neither
// blocks nor slots depend on the number of threads.
#pragma once

#include <algorithm>

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// The summary of two parts of an array is that of both together.
inline void add(const Summary &part, Summary &sums) {
  sums.sum += part.sum;
  sums.square += part.square;
  sums.least = std::min(sums.least, part.least);
}

// Each returns false if the run was asked to stop; rows not reached keep their values.

// G (k x k) = A'A.
template <class T> bool gram(const Kernels<T> &, MatrixView<const T> A, double *G, Run);

template <class T> bool summary(const Kernels<T> &, MatrixView<const T> X, Summary &, Run);

// out = X B.
template <class T, class X>
bool matmul(const Kernels<T> &, const X &, MatrixView<const T> B, MatrixView<T> out, Run);

// out = X' A.
template <class T, class X>
bool rmatmul(const Kernels<T> &, const X &, MatrixView<const T> A, MatrixView<T> out, Run);

// |X - W H'|^2, entry by entry.
template <class T, class X>
bool squared_error(const Kernels<T> &, const X &, MatrixView<const T> W, MatrixView<const T> Ht,
                   double &, Run);

} // namespace nonneg
