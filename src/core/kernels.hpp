// The kernels' interface: plain views, and one table of function pointers per dtype.
//
// Kernels work on one block of rows, know nothing of threads or Python, allocate
// nothing, and keep every reported sum in float64. Drivers (passes.cpp) cut the work
// into blocks, own the scratch memory and add sums up in a fixed order.
//
// "Packed" means rows of k numbers padded with zeros to padded(k), so that a row is a
// whole number of vectors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nonneg {

using Index = std::ptrdiff_t;

// Row-major, unit inner stride.
template <class T> struct MatrixView {
  T *data;
  Index rows, cols, stride;
};

template <class T, class I> struct CsrView {
  const T *values;
  const I *indices, *indptr;
  Index rows, cols;
};

// One cyclic coordinate sweep on 1/2 a G a' - (p - l1) a' over a >= 0, row by row.
template <class T> struct Sweep {
  const T *gram;        // k x k
  const T *inverse;     // 1 / G[t,t], 0 where the coordinate has no curvature
  const T *l1;          // k
  const int64_t *order; // k coordinates, in the order of their visits
  int k;
};

struct SweepSums {
  double violation = 0; // sum of |projected gradient|, each just before its update
  double cross = 0;     // <p, a> after the sweep
};

// Exact minimisation of 1/2 a G a' - (p - l1) a' over 0 <= a <= upper, row by row; always
// in float64.
struct Exact {
  const double *gram;  // k x k, positive semi-definite, L2 on its diagonal
  const double *l1;    // k
  const double *upper; // k, not negative, or null for none
  int k;
  bool fixed = false; // solve on the given passive sets, whatever the signs
};

struct ExactSums {
  double cross = 0;            // <p, a> after the solve
  int64_t fallbacks = 0;       // rows that pivoting did not finish
  int64_t factorizations = 0;  // one per row and passive set tried
  double *gradient = nullptr;  // k, or null: += squared projected gradient after the solve
};

// What a fused block adds to: packed A'X (or null) and A'A.
template <class T> struct BlockSums {
  T *rhs;
  double *gram;
  SweepSums sweep;
};

// gemm of the BLAS that SciPy carries, with 32- or 64-bit integers; null where absent.
struct Blas {
  void *sgemm = nullptr, *dgemm = nullptr;
  bool wide = false;
};

template <class T, class I> struct CsrKernels {
  // out rows [first, last) = X B, B packed.
  void (*product)(const CsrView<T, I> &, Index first, Index last, const T *B, int k,
                  MatrixView<T> out, void *scratch);
  // sum (packed) += X' A over rows [first, last).
  void (*transposed)(const CsrView<T, I> &, Index first, Index last, MatrixView<const T> A,
                     T *sum, void *scratch);
  // The same for features [column, column_end) only; rows must be sorted.
  void (*transposed_panel)(const CsrView<T, I> &, Index column, Index column_end,
                           MatrixView<const T> A, T *sum, void *scratch);
  // Product, sweep over rows of A, sums: each row of X is read once.
  void (*update)(const CsrView<T, I> &, Index first, Index last, const T *B,
                 const Sweep<T> &, MatrixView<T> A, BlockSums<T> &, void *scratch);
};

template <class T> struct DenseKernels {
  void (*product)(MatrixView<const T> X, const T *B, int k, MatrixView<T> out,
                  const Blas &, void *scratch);
  void (*transposed)(MatrixView<const T> X, MatrixView<const T> A, T *sum, const Blas &,
                     void *scratch);
  void (*update)(MatrixView<const T> X, const T *B, const Sweep<T> &, MatrixView<T> A,
                 BlockSums<T> &, const Blas &, void *scratch);
};

template <class T> struct Kernels {
  int (*padded)(int k);
  // Bytes of scratch, 64-byte aligned, that any kernel needs for a block of n_rows.
  size_t (*scratch_bytes)(Index n_rows, int k);
  void (*sweep)(const Sweep<T> &, MatrixView<T> A, MatrixView<const T> P, SweepSums &,
                void *scratch);
  // Bytes of scratch, 64-byte aligned, for `exact` on any number of rows.
  size_t (*exact_scratch)(int k);
  // Positive entries of A are the passive sets to start from.
  void (*exact)(const Exact &, MatrixView<T> A, MatrixView<const T> P, ExactSums &,
                void *scratch);
  // G (k x k, float64) += A'A; only on and above the diagonal blocks, see symmetrize.
  void (*gram)(MatrixView<const T> A, double *G, void *scratch);
  void (*pack)(MatrixView<const T> B, T *packed);
  // out = sum over the n_slots packed arrays, `slot_size` apart, rows [first, last).
  void (*reduce)(const T *slots, Index slot_size, int n_slots, Index first, Index last,
                 MatrixView<T> out);
  DenseKernels<T> dense;
  CsrKernels<T, int32_t> csr32;
  CsrKernels<T, int64_t> csr64;
};

struct KernelTable {
  const char *name;
  Kernels<float> f32;
  Kernels<double> f64;
};

} // namespace nonneg
