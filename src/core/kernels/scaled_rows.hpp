// Rows of a factor that is stored as an array times a scale of its columns: some of them
// fetched, moved and put back, with the sums that keep what is known of the whole factor.
#pragma once

#include "kernels/beta_interface.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// out row p = base row features[p] times the scale; sums (k) += the sums of its columns.
template <class T>
static void gather_scaled(MatrixView<const T> base, const int64_t *features, const T *scale,
                          MatrixView<T> out, double *__restrict sums) {
  const int k = static_cast<int>(out.cols);
  for (Index p = 0; p < out.rows; ++p) {
    const T *from = base.data + static_cast<Index>(features[p]) * base.stride;
    T *__restrict to = out.data + p * out.stride;
    for (int t = 0; t < k; ++t)
      to[t] = from[t] * scale[t];
    for (int t = 0; t < k; ++t)
      sums[t] += static_cast<double>(to[t]);
  }
}

// after = before (numerator + kept) inverse, less than `least` becoming 0; base row
// features[p] = after over_scale. sums: k each of before^2, (after - before)^2, after^2
// and after.
template <class T>
static void move_scaled(const ScaledMove<T> &move, MatrixView<const T> before,
                        MatrixView<const T> numerator, const int64_t *features,
                        MatrixView<T> base, double *__restrict sums) {
  const int k = static_cast<int>(before.cols);
  double *const __restrict moved = sums + k, *const __restrict squares = moved + k,
               *const __restrict total = squares + k;
  for (Index p = 0; p < before.rows; ++p) {
    const T *old = before.data + p * before.stride;
    const T *above = numerator.data + p * numerator.stride;
    T *__restrict to = base.data + static_cast<Index>(features[p]) * base.stride;
    for (int t = 0; t < k; ++t) {
      // an infinite numerator moves no zero
      T after = old[t] > 0 ? old[t] * ((above[t] + move.kept[t]) * move.inverse[t]) : T(0);
      after = after < move.least ? T(0) : after;
      to[t] = after * move.over_scale[t];
      const double was = static_cast<double>(old[t]), is = static_cast<double>(after);
      sums[t] += was * was;
      moved[t] += (is - was) * (is - was);
      squares[t] += is * is;
      total[t] += is;
    }
  }
}

} // namespace nonneg::NONNEG_ISA
