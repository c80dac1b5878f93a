// Table of the kernels of the family "observed": missing and weighted entries of X, which a
// CSR matrix names with what each weighs beside the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include "kernels/solve_interface.hpp"
#include "kernels/views.hpp"

namespace nonneg {

// How rows with Gram matrices of their own are solved for. Row i minimises
// 1/2 a (base + sum of named h'h + quadratic_i Q) a' - (p - linear_i l1) a' over a >= 0.
struct Apart {
  const double *base, *Q;              // k x k
  const double *l1;                    // k
  const double *linear, *quadratic;    // shares of the rows, or null for ones
  const int64_t *order;                // of the coordinates
  Method method;                       // sweep, adaptive or exact
  int k;
  int most;        // adaptive: sweeps at most; exact: such sweeps beforehand
  double settled;  // a row stops at this share of its first squared step
  double momentum;
  bool narrow;     // Gram matrices are sums alone, and may have the rows' own precision
};

// Sums over the rows; measures: 2 k sums of squares, of the projected gradient before the
// solve and of the right-hand side.
struct ApartSums {
  SolveSums sums;
  double square = 0; // a G a' after the solve, without the penalty
  double *measures;
};

// The reciprocals of what the rows and columns of X are scaled by, 0 where that is 0; null
// for ones.
template <class T> struct GapScales {
  const T *rows, *columns;
};

template <class T, class I> struct CsrObserved {
  // out = (named o A B') C for the rows [first, last); B and C packed, of kb and kc numbers.
  void (*product)(const CsrView<T, I> &named, Index first, Index last, MatrixView<const T> A,
                  const T *B, int kb, const T *C, int kc, MatrixView<T> out, void *scratch);
  // Adds named (x - a b)^2 over the rows [first, last), x of the named entries, or null for
  // zeros.
  void (*square)(const CsrView<T, I> &named, const T *x, Index first, Index last,
                 MatrixView<const T> A, const T *B, int kb, double &sum, void *scratch);
  // Solves for the rows [first, last), B packed rows of kp numbers.
  void (*solve)(const CsrView<T, I> &named, Index first, Index last, const T *B, int kp,
                const Apart &, const RowArrays<T> &, MatrixView<const T> P, ApartSums &,
                void *scratch);
  // Copies X to Z, if X.data, puts A B' into Z where an entry is named, B packed rows of kb
  // numbers, and returns the sum of squares of what it put in, scaled. Row 0 of X, Z and A is
  // row `first` of `named`. With `fetch`, X has the rows after these, which are fetched into
  // the cache and not copied.
  double (*impute)(const CsrView<T, I> &named, Index first, MatrixView<const T> A, const T *B,
                   int kb, const GapScales<T> &, MatrixView<const T> X, bool fetch,
                   MatrixView<T> Z, void *scratch);
};

template <class T> struct ObservedKernels {
  // Bytes of scratch, 64-byte aligned, for k components.
  size_t (*scratch_bytes)(int k);
  CsrObserved<T, int32_t> csr32;
  CsrObserved<T, int64_t> csr64;
};

} // namespace nonneg
