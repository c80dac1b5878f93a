// Table of the kernels of the family "irls": steps of iteratively reweighted non-negative least
// squares for β-divergences of a dense X.
#pragma once

#include <cstddef>

#include "kernels/views.hpp"

namespace nonneg {

// One step for each row of a factor: a quadratic model is minimised over non-negative rows, and the
// row's objective falls on the way there. The curvature of its entries is y^(β-2) r^power with
// r = (2 - β) x/y + max(0, β - 1): Fisher's information for 0, the second derivative of the
// divergence, or for β < 1 of its convex part, for 1, and their geometric mean between (D-IRLS-POWER).
template <class T> struct Irls {
  T beta;   // from 0 to 2
  T floor;  // least y
  T momentum;
  const T *l1, *l2; // k
  int k;
  double power; // 0, 1/2 or 1
};

// The other factor twice: H has k rows of h_width numbers, zeros behind the columns of X; B is its
// transpose, packed rows of b_width numbers, and a vector of zeros behind them.
template <class T> struct IrlsFactor {
  const T *H, *B;
  Index h_width, b_width;
};

struct IrlsSums {
  double value = 0;     // of the terms that depend on y, after the step
  double residual = 0;  // |gradient| times the entry, the larger of that before and after
  double size = 0;      // y^β before the step
  double shortened = 0; // rows that did not go all the way to the model's minimum

  void add(const IrlsSums &other) {
    value += other.value;
    residual += other.residual;
    size += other.size;
    shortened += other.shortened;
  }
};

template <class T> struct IrlsKernels {
  // Bytes of scratch, 64-byte aligned, for `half_step` on at most n_rows rows.
  size_t (*scratch_bytes)(Index n_rows, int k, Index n_columns);
  // Numbers from one row of H to the next.
  Index (*h_width)(Index n_columns);
  void (*half_step)(const StridedView<T> &, Index first, Index last, const IrlsFactor<T> &,
                    const Irls<T> &, const RowArrays<T> &, IrlsSums &, void *scratch);
};

} // namespace nonneg
