// Table of the kernels of the family "products": products with X, Gram matrices, sums.
//
// "Packed" means rows of k numbers padded with zeros to padded(k), so that a row is a
// whole number of vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include "kernels/views.hpp"

namespace nonneg {

// Sum, sum of squares and smallest of some entries.
struct Summary {
  double sum = 0, square = 0, least = __builtin_inf();
};

template <class T, class I> struct CsrProducts {
  // out rows [first, last) = X B, B packed.
  void (*product)(const CsrView<T, I> &, Index first, Index last, const T *B, int k,
                  MatrixView<T> out, void *scratch);
  // sum (packed) += X' A over rows [first, last).
  void (*transposed)(const CsrView<T, I> &, Index first, Index last, MatrixView<const T> A,
                     T *sum, void *scratch);
  // sum (packed) += X' A for the features [column, column_end) alone; the entries of a row
  // must be sorted.
  void (*transposed_panel)(const CsrView<T, I> &, Index column, Index column_end,
                           MatrixView<const T> A, T *sum, void *scratch);
  // The sum of the squares of X - W H', W the rows of X; H k rows of `width` numbers, the
  // columns of X padded with zeros. Y is scratch: rows of X as wide.
  double (*squared_error)(const CsrView<T, I> &X, MatrixView<const T> W, const T *H, int width,
                          T *Y, const Blas &);
};

template <class T> struct DenseProducts {
  void (*product)(MatrixView<const T> X, const T *B, int k, MatrixView<T> out,
                  const Blas &, void *scratch);
  void (*transposed)(MatrixView<const T> X, MatrixView<const T> A, T *sum, const Blas &,
                     void *scratch);
  double (*squared_error)(MatrixView<const T> X, MatrixView<const T> W, const T *H, int width,
                          T *Y, const Blas &);
};

template <class T> struct ProductKernels {
  int (*padded)(int k);
  // Bytes of scratch, 64-byte aligned, for a block of n_rows and packed rows of `width`
  // numbers, for at most k components.
  size_t (*scratch_bytes)(Index n_rows, int width, int k);
  // G (k x k, float64) += A'A; only on and above the diagonal blocks, see symmetrize.
  void (*gram)(MatrixView<const T> A, double *G, void *scratch);
  // Adds X to what is known of the blocks before it.
  void (*summary)(MatrixView<const T> X, Summary &);
  // Rows of B to packed rows, `stride` apart, with zeros up to kp numbers.
  void (*pack)(MatrixView<const T> B, T *packed, Index stride, int kp);
  // out = sum over the n_slots packed arrays, `slot_size` apart, rows [first, last) of
  // `width` numbers.
  void (*reduce)(const T *slots, Index slot_size, int n_slots, int width, Index first,
                 Index last, MatrixView<T> out);
  DenseProducts<T> dense;
  CsrProducts<T, int32_t> csr32;
  CsrProducts<T, int64_t> csr64;
};

} // namespace nonneg
