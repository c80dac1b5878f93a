// The exact solve as a method of a half-step: with the measures of the rows before it.
#pragma once

#include "kernels/adaptive_sweeps.hpp"
#include "kernels/pivoting.hpp"
#include "kernels/row_arrays.hpp"

namespace nonneg::NONNEG_ISA {

template <class T> NONNEG_INLINE size_t exact_method_scratch(int k) {
  return larger(exact_scratch(k) + sizeof(double) * static_cast<size_t>((k + 7) / 8 * 8),
                sizeof(T) * adaptive_scratch<T>(k));
}

// measures: 2 k sums over the rows, of squared projected gradients before the solve and of
// squared right-hand sides.
template <class T>
static void measure_rows(const Exact &e, const RowArrays<T> &rows, MatrixView<const T> P,
                         SolveSums &sums, double *measures, double *gradient) {
  const int k = e.k;
  for (Index i = 0; i < rows.start.rows; ++i) {
    const T *a = rows.start.data + i * rows.start.stride, *p = P.data + i * P.stride;
    for (int t = 0; t < k; ++t)
      gradient[t] = e.l1[t] - static_cast<double>(p[t]);
    for (int r = 0; r < k; ++r) {
      const double x = static_cast<double>(a[r]);
      for (int t = 0; x != 0 && t < k; ++t)
        gradient[t] += x * e.gram[r * k + t];
    }
    for (int t = 0; t < k; ++t) {
      const double linear = static_cast<double>(p[t]) - e.l1[t];
      const double x = static_cast<double>(a[t]);
      const double projected = x > 0 ? gradient[t] : smaller(gradient[t], 0.0);
      measures[t] += projected * projected;
      measures[k + t] += linear * linear;
      sums.decrease += 0.5 * x * (gradient[t] - linear);
    }
  }
}

// A few sweeps first bring cold rows near their passive sets, so that pivoting tries fewer of
// them (D-CORE-EXACT-SWEEPS).
template <class T>
static void exact_method(const Solve<T> &solve, const RowArrays<T> &rows,
                         MatrixView<const T> P, SolveSums &sums, double *measures,
                         T *scratch) {
  const Exact &e = solve.exact;
  const int k = e.k;
  double *const gradient = reinterpret_cast<double *>(scratch);
  measure_rows(e, rows, P, sums, measures, gradient);
  if (solve.most > 0) {
    SolveSums unused;
    Solve<T> before = solve;
    before.wants_cross = false;
    adaptive_rows<T>(before, rows, P, unused, nullptr, scratch);
  } else {
    copy_rows(rows.start, rows.solved);
  }
  ExactSums done;
  exact_rows(e, rows.solved, P, done, gradient + (k + 7) / 8 * 8);
  sums.cross += done.cross;
  sums.sweeps += static_cast<double>(done.factorizations);
  // at the solution the gradient is orthogonal to the rows: the objective is -1/2 <p - l1, a>
  double value = 0.5 * done.cross;
  for (Index i = 0; i < rows.solved.rows; ++i)
    for (int t = 0; t < k; ++t)
      value -= 0.5 * e.l1[t] * static_cast<double>(rows.solved.data[i * rows.solved.stride + t]);
  sums.decrease += value;
}

} // namespace nonneg::NONNEG_ISA
