// Table of the kernels of the family "newton": scalar Newton steps for the
// Kullback-Leibler divergence.
#pragma once

#include <cstddef>
#include <cstdint>
#include "kernels/views.hpp"

namespace nonneg {

// Scalar Newton steps for the Kullback-Leibler divergence.
template <class T> struct Newton {
  T floor;              // least y
  T unit;               // a power of two, about 1 over the mean of X
  T momentum;
  double tolerance;     // a row ends when its slack is this share of its sum of x
  const T *column_sums; // k, of the other factor
  const T *l1, *l2;     // k
  int k;
  int sweeps;           // at most
  bool rescale;         // bring each row to its best scale first
  bool wants_value;
  bool (*stop)(); // or null; asked now and then, true: the remaining rows stay as they are
  // Where entries are missing or weighted, drivers solve for each row by numbers of its own:
  // in the place of column_sums and l1, n_rows x k, and what l2 is multiplied by.
  const T *linear = nullptr;
  const double *bent = nullptr;
};

struct NewtonSums {
  double value = 0;    // x log(x/y) - x after the solve, without the sum over W H
  double residual = 0; // |gradient| times the entry, each just before its first step
  double sweeps = 0;   // summed over the rows
  double unfinished = 0; // rows that went on until the sweeps ended

  void add(const NewtonSums &other) {
    value += other.value;
    residual += other.residual;
    sweeps += other.sweeps;
    unfinished += other.unfinished;
  }
};

template <class T, class I> struct CsrNewton {
  // The rows [first, last), B packed rows of kp numbers.
  void (*half_step)(const CsrView<T, I> &, Index first, Index last, const T *B, int kp,
                    const Newton<T> &, const RowArrays<T> &, NewtonSums &, void *scratch);
};

template <class T> struct DenseNewton {
  // H: k rows of h_width numbers, zeros behind the columns of X.
  void (*half_step)(const StridedView<T> &, Index first, Index last, const T *H,
                    Index h_width, const Newton<T> &, const RowArrays<T> &, NewtonSums &,
                    void *scratch);
};

template <class T> struct NewtonKernels {
  // Bytes of scratch, 64-byte aligned, for a block of n_rows rows whose longest has that
  // many entries; `turned` for a sparse X.
  size_t (*scratch_bytes)(Index n_rows, Index longest, int k, bool turned);
  DenseNewton<T> dense;
  CsrNewton<T, int32_t> csr32;
  CsrNewton<T, int64_t> csr64;
};

} // namespace nonneg
