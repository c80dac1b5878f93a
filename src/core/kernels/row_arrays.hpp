// Rows of a factor: blocks of them, copies, and the extrapolation after a solve.
#pragma once

#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

template <class T>
NONNEG_INLINE void copy_rows(MatrixView<const T> from, MatrixView<T> to) {
  if (from.data == to.data)
    return;
  for (Index i = 0; i < to.rows; ++i)
    for (Index t = 0; t < to.cols; ++t)
      to.data[i * to.stride + t] = from.data[i * from.stride + t];
}

// moved = max(0, solved + momentum (solved - previous)) for n numbers.
template <class T>
NONNEG_INLINE void extrapolate_numbers(const T *solved, const T *previous, T *moved, Index n,
                                       T momentum) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const V zero = fill<V>(T(0)), beta = fill<V>(momentum);
  Index t = 0;
  for (; t + L <= n; t += L) {
    const V x = load<V>(solved + t);
    const V y = x + beta * (x - load<V>(previous + t));
    store(moved + t, y > zero ? y : zero);
  }
  for (; t < n; ++t) {
    const T y = solved[t] + momentum * (solved[t] - previous[t]);
    moved[t] = y > T(0) ? y : T(0); // as above, also for NaN
  }
}

// Row by row, or all rows at once where nothing lies between them.
template <class T>
NONNEG_INLINE void extrapolate(const RowArrays<T> &rows, T momentum) {
  const Index k = rows.solved.cols, n = rows.solved.rows;
  if (rows.solved.stride == k && rows.previous.stride == k && rows.moved.stride == k) {
    extrapolate_numbers(rows.solved.data, rows.previous.data, rows.moved.data, n * k, momentum);
    return;
  }
  for (Index i = 0; i < n; ++i)
    extrapolate_numbers(rows.solved.data + i * rows.solved.stride,
                        rows.previous.data + i * rows.previous.stride,
                        rows.moved.data + i * rows.moved.stride, k, momentum);
}

template <class T>
NONNEG_INLINE RowArrays<T> block_of(const RowArrays<T> &all, Index first, Index last) {
  const auto part = [&](auto A) NONNEG_LAMBDA {
    A.data = A.data ? A.data + first * A.stride : nullptr;
    A.rows = last - first;
    return A;
  };
  return {part(all.start), part(all.previous), part(all.solved), part(all.moved)};
}

// <a, b> in float64.
template <class T, class U> NONNEG_INLINE double inner_product(const T *a, const U *b, int k) {
  constexpr int L = kLanes<double>;
  using D = Vec<double>;
  D sum = fill<D>(0.0);
  int t = 0;
  for (; t + L <= k; t += L)
    sum += __builtin_convertvector(load<typename VectorOf<T, L>::type>(a + t), D) *
           __builtin_convertvector(load<typename VectorOf<U, L>::type>(b + t), D);
  double total = sum_lanes<double>(sum);
  for (; t < k; ++t)
    total += static_cast<double>(a[t]) * static_cast<double>(b[t]);
  return total;
}

} // namespace nonneg::NONNEG_ISA
