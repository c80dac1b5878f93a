// Table of the kernels of the family "beta": the multiplicative half-step for
// β-divergences, by X or by sums at hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include "kernels/views.hpp"

namespace nonneg {

// One multiplicative step for the β-divergence, and the terms of its gradient.
template <class T> struct Beta {
  double beta;
  T floor;              // least y in a negative power
  T least;              // smaller entries of the result become 0
  T rise, fall;         // powers of the ratio beside the positive and the negative terms
  const T *column_sums; // packed, of the other factor: the positive terms at β = 1
  const T *l1, *l2;     // packed
  int k;
  bool has_l2;
  bool move; // else solved receives the sums of the negative terms
};

// A factor in the forms that a pass needs: B has packed rows of `width` numbers, and H is
// its transpose, k rows of `h_width` numbers, zeros behind the features. A dense X needs H
// alone; a sparse one B, and H unless β = 1.
template <class T> struct Packed {
  const T *B, *H;
};

// A block of rows for it. The step is taken beside `other`; the sums for the other factor,
// and the value, are those beside `after`, mostly the same. What is null in the rest is not
// wanted; sums are added to, and laid out as B, or as H for a dense X.
template <class T> struct BetaBlock {
  const Beta<T> *options;
  MatrixView<const T> start; // by the rows of X, as are solved and below
  MatrixView<T> solved, below;
  Packed<T> other, after;
  int width;
  Index h_width;
  // At β = 1 the denominators are the second derivative's sums x/y^2 (sum of the row) w.
  T *numerator, *denominator;
  double *value; // at β = 1 on CSR without the sum over W H
};

// Some rows of a factor that is an array times a scale, see scaled_rows.hpp.
template <class T> struct ScaledMove {
  const T *kept, *inverse, *over_scale; // k
  T least;
};

template <class T, class I> struct CsrBeta {
  void (*half_step)(const CsrView<T, I> &, Index first, Index last, const BetaBlock<T> &,
                    const Blas &, void *scratch);
  // β = 1: the sums for the features [column, column_end) alone; the entries of a row must
  // be sorted.
  void (*kullback_panel)(const CsrView<T, I> &, Index column, Index column_end,
                         const BetaBlock<T> &, void *scratch);
};

template <class T> struct DenseBeta {
  // Bytes of scratch, 64-byte aligned, for `half_step` on any number of rows.
  size_t (*scratch_bytes)(int width, Index n_columns);
  // Step between the rows of H and of the sums.
  Index (*h_width)(Index n_columns);
  void (*half_step)(MatrixView<const T> X, Index first, const BetaBlock<T> &, void *scratch);
  // Rows [first, last) of out (n x k) = the transpose of the sum of the n_slots arrays of k
  // rows of h_width numbers.
  void (*reduce)(const T *slots, Index slot_size, int n_slots, Index h_width, Index first,
                 Index last, MatrixView<T> out);
};

template <class T> struct BetaKernels {
  // Bytes of scratch, 64-byte aligned, for `half_step` on any number of rows of a sparse X;
  // with tiles unless β = 1.
  size_t (*scratch_bytes)(int width, Index n_columns, bool tiles);
  // The step of rows by sums at hand; needs the scratch of `half_step` without tiles.
  void (*multiply)(const Beta<T> &, MatrixView<const T> start,
                   MatrixView<const T> numerator, MatrixView<const T> denominator,
                   MatrixView<T> solved, void *scratch);
  // Rows `features` of a factor base times scale, see scaled_rows.hpp.
  void (*gather_scaled)(MatrixView<const T> base, const int64_t *features, const T *scale,
                        MatrixView<T> out, double *sums);
  void (*move_scaled)(const ScaledMove<T> &, MatrixView<const T> before,
                      MatrixView<const T> numerator, const int64_t *features,
                      MatrixView<T> base, double *sums);
  // sums (k) += the sum of the rows.
  void (*column_sums)(MatrixView<const T> A, double *sums);
  DenseBeta<T> dense;
  CsrBeta<T, int32_t> csr32;
  CsrBeta<T, int64_t> csr64;
};

} // namespace nonneg
