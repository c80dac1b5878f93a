// Multiplicative step of a row by its sums.
#pragma once

#include "kernels/beta_interface.hpp"
#include "kernels/elementary.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/powers.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// r with d r^low + c r^high = n by Newton's method from above.
static double ratio_with_l2(double n, double d, double c, double low, double high) {
  if (!(n > 0))
    return 0;
  if (low == 1 && high == 2)
    return 2 * n / (d + __builtin_sqrt(d * d + 4 * c * n));
  const double a = d > 0 ? __builtin_pow(n / d, 1 / low) : __builtin_inf();
  const double b = c > 0 ? __builtin_pow(n / c, 1 / high) : __builtin_inf();
  double r = smaller(a, b);
  for (int step = 0; step < 60 && r < __builtin_inf(); ++step) {
    const double excess = d * __builtin_pow(r, low) + c * __builtin_pow(r, high) - n;
    const double slope = low * d * __builtin_pow(r, low - 1) +
                         high * c * __builtin_pow(r, high - 1);
    if (!(excess > 0) || !(slope > 0) || excess / slope <= 1e-15 * r)
      break;
    r -= excess / slope;
  }
  return r;
}

// The powers that ratios are raised to, 1 / (rise + fall).
enum class Exponent { one, half, any };

template <Exponent exponent, class T> NONNEG_INLINE Vec<T> raised_ratio(Vec<T> ratio, T power) {
  if constexpr (exponent == Exponent::one)
    return ratio;
  else if constexpr (exponent == Exponent::half)
    return root_of<T>(ratio);
  else
    return power_of<T>(ratio, power);
}

// The row after its step where that is a ratio, raised to a power. All rows are packed.
template <Exponent exponent, class T>
NONNEG_INLINE void multiply_plainly(const Beta<T> &options, int kp, T *row, const T *numerator,
                                    const T *denominator, T power) {
  using V = Vec<T>;
  const V zero = fill<V>(T(0)), one = fill<V>(T(1));
  const V most = fill<V>(T(1) / FloatLayout<T>::least), least = fill<V>(options.least);
  for (int t = 0; t < kp; t += kLanes<T>) {
    const V a = load<V>(row + t);
    const V below = load<V>(denominator + t) + (load<V>(options.l1 + t) + load<V>(options.l2 + t) * a);
    const V ratio = load<V>(numerator + t) / (below > zero ? below : one);
    V moved = a * raised_ratio<exponent, T>(ratio, power);
    moved = moved < most ? moved : most;
    moved = (below > zero) & (a > zero) ? moved : zero; // an infinite numerator moves no zero
    store(row + t, moved < least ? zero : moved);
  }
}

// The row after its step. `row` is overwritten; all are packed.
template <class T>
static void multiply_row(const Beta<T> &options, int kp, T *row, const T *numerator,
                         const T *denominator) {
  const T rise = options.rise, fall = options.fall;
  if (rise >= 1 || !options.has_l2) {
    if (rise + fall == 1)
      multiply_plainly<Exponent::one>(options, kp, row, numerator, denominator, T(1));
    else if (rise + fall == 2)
      multiply_plainly<Exponent::half>(options, kp, row, numerator, denominator, T(0.5));
    else
      multiply_plainly<Exponent::any>(options, kp, row, numerator, denominator,
                                      1 / (rise + fall));
    return;
  }
  const T most = T(1) / FloatLayout<T>::least;
  for (int t = 0; t < options.k; ++t) {
    const T l2 = options.l2[t] * row[t];
    T below = denominator[t] + options.l1[t], ratio;
    if (options.l2[t] > 0)
      ratio = static_cast<T>(ratio_with_l2(numerator[t], below, l2, double(rise + fall),
                                           1 + double(fall)));
    else {
      ratio = below > 0 ? numerator[t] / below : T(0);
      if (rise + fall != 1)
        ratio = static_cast<T>(__builtin_pow(double(ratio), 1 / double(rise + fall)));
    }
    T moved = row[t] > 0 ? row[t] * ratio : T(0); // an infinite ratio moves no zero
    moved = moved < most ? moved : most;
    row[t] = moved < options.least ? T(0) : moved;
  }
}

// The step for rows whose sums are at hand; `solved` may be `start`. Denominators are one
// packed row for all, how.column_sums, where there are none.
template <class T>
static void multiply_rows(const Beta<T> &options, MatrixView<const T> start,
                          MatrixView<const T> numerator, MatrixView<const T> denominator,
                          MatrixView<T> solved, void *scratch) {
  const int k = options.k, kp = padded<T>(k);
  T *const row = static_cast<T *>(scratch), *const above = row + kp, *const below = above + kp;
  for (Index i = 0; i < start.rows; ++i) {
    pack_row(start.data + i * start.stride, k, kp, row);
    pack_row(numerator.data + i * numerator.stride, k, kp, above);
    if (denominator.data)
      pack_row(denominator.data + i * denominator.stride, k, kp, below);
    multiply_row(options, kp, row, above, denominator.data ? below : options.column_sums);
    T *const out = solved.data + i * solved.stride;
    for (int t = 0; t < k; ++t)
      out[t] = row[t];
  }
}

// sums += the sum of the rows.
template <class T> static void column_sums(MatrixView<const T> A, double *__restrict sums) {
  const int k = static_cast<int>(A.cols);
  for (Index i = 0; i < A.rows; ++i)
    for (int t = 0; t < k; ++t)
      sums[t] += static_cast<double>(A.data[i * A.stride + t]);
}

// Turns the row's sums into its next place, or hands out the sums themselves.
template <class T>
NONNEG_INLINE void conclude_row(const BetaBlock<T> &b, Index i, T *row, const T *numerator,
                                const T *denominator) {
  if (!b.solved.data)
    return;
  T *out = b.solved.data + i * b.solved.stride;
  if (b.options->move)
    multiply_row(*b.options, b.width, row, numerator, denominator);
  const T *from = b.options->move ? row : numerator;
  for (int t = 0; t < b.options->k; ++t)
    out[t] = from[t];
  for (int t = 0; b.below.data && t < b.options->k; ++t)
    b.below.data[i * b.below.stride + t] = denominator[t];
}

} // namespace nonneg::NONNEG_ISA
