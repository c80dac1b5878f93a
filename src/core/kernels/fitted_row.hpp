// One row by the values that it fits, without a Gram matrix: a sweep costs as many numbers as
// the row has entries for each component, which for few entries is less than one for each pair.
#pragma once

#include "kernels/row_gram.hpp"
#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

// A problem 1/2 a (C C' + diag(bend)) a' - q a' over a >= 0. Row t of C is a component at the
// entries, each times the root of its weight; `fits` is a C.
template <class A> struct FittedRow {
  const A *C, *bend, *curvature, *q;
  A *fits, *a, *g; // g: the gradient, where it is asked for
  int k, n;        // n: numbers of a row of C, whole vectors
};

template <class A> NONNEG_INLINE A gradient_of(const FittedRow<A> &row, int t) {
  using V = Vec<A>;
  constexpr int L = kLanes<A>;
  const A *const c = row.C + static_cast<Index>(t) * row.n;
  V sum = fill<V>(A(0));
  for (int e = 0; e < row.n; e += L)
    sum += load<V>(c + e) * load<V>(row.fits + e);
  return sum_lanes<A>(sum) + row.bend[t] * row.a[t] - row.q[t];
}

template <class A> NONNEG_INLINE A curvature_of(const FittedRow<A> &row, int t) {
  return row.curvature[t];
}

// Follows a step of coordinate t.
template <class A> NONNEG_INLINE void add_column(const FittedRow<A> &row, int t, A step) {
  using V = Vec<A>;
  constexpr int L = kLanes<A>;
  const V d = fill<V>(step);
  const A *const c = row.C + static_cast<Index>(t) * row.n;
  for (int e = 0; e < row.n; e += L)
    store(row.fits + e, load<V>(row.fits + e) + d * load<V>(c + e));
}

template <class A> NONNEG_INLINE void close_sweeps(const FittedRow<A> &row) {
  for (int t = 0; t < row.k; ++t)
    row.g[t] = gradient_of(row, t);
}

template <class A> NONNEG_INLINE void set_gradient(const FittedRow<A> &row) {
  for (int e = 0; e < row.n; ++e)
    row.fits[e] = A(0);
  for (int t = 0; t < row.k; ++t)
    if (row.a[t] != A(0))
      add_column(row, t, row.a[t]);
  close_sweeps(row);
}

// Numbers of a row of C for a row of X with so many entries.
template <class A> NONNEG_INLINE int fitted_width(Index n_named) {
  constexpr int L = kLanes<A>;
  return static_cast<int>((n_named + L - 1) / L * L);
}

// C and the curvatures without `bend`, from the rows of H that are named.
template <class A, class T, class I>
static void gather_components(const I *columns, const T *weights, int n_named, const T *B, int kp,
                              int k, int n, A *C, A *curvature) {
  using V = Vec<A>;
  constexpr int L = kLanes<A>;
  for (int e = 0; e < n; ++e) {
    if (e >= n_named) {
      for (int t = 0; t < k; ++t)
        C[static_cast<Index>(t) * n + e] = A(0);
      continue;
    }
    const T *const h = B + static_cast<Index>(columns[e]) * kp;
    const A root = weights[e] == T(1) ? A(1) : __builtin_sqrt(static_cast<A>(weights[e]));
    for (int t = 0; t < k; ++t)
      C[static_cast<Index>(t) * n + e] = root * static_cast<A>(h[t]);
  }
  for (int t = 0; t < k; ++t) {
    V sum = fill<V>(A(0));
    for (int e = 0; e < n; e += L) {
      const V c = load<V>(C + static_cast<Index>(t) * n + e);
      sum += c * c;
    }
    curvature[t] = sum_lanes<A>(sum);
  }
}

} // namespace nonneg::NONNEG_ISA
