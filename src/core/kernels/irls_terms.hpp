// Weights, gradients and objectives of the entries of a row, for iteratively reweighted least
// squares.
#pragma once

#include "kernels/beta_terms.hpp"
#include "kernels/elementary.hpp"
#include "kernels/irls_interface.hpp"
#include "kernels/powers.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Sums over some entries of a row: the two parts of the divergence that depend on y, and y^β.
template <class T> struct EntrySums {
  Vec<T> first, second, size;

  static NONNEG_INLINE_MEMBER EntrySums zero() {
    return {fill<Vec<T>>(T(0)), fill<Vec<T>>(T(0)), fill<Vec<T>>(T(0))};
  }
};

// y^(β-2).
template <Powers powers, class T, int N, class S = Beside<Vec<T>, N>>
NONNEG_INLINE S weights_of(T beta, const S &y) {
  using V = Vec<T>;
  if constexpr (powers == Powers::flat || powers == Powers::inverse) {
    const S inverse = S::of([&](auto i) NONNEG_LAMBDA { return fill<V>(T(1)) / y.part[i]; });
    if constexpr (powers == Powers::flat)
      return inverse;
    return S::of([&](auto i) NONNEG_LAMBDA { return inverse.part[i] * inverse.part[i]; });
  } else if constexpr (powers == Powers::root) {
    const S inverse = inverse_roots<T, N>(y);
    const bool falls = beta < T(1);
    return S::of([&](auto i) NONNEG_LAMBDA {
      const V one = inverse.part[i];
      return falls ? (one * one) * one : one;
    });
  } else {
    return powers_beside<T, N>(y, beta - T(2));
  }
}

// What of the divergence depends on y, in two parts whose difference is small beside them.
template <Powers powers, class T>
NONNEG_INLINE void add_entry(T beta, Vec<T> x, Vec<T> y, Vec<T> weight, Vec<T> inside,
                             EntrySums<T> &sums) {
  using V = Vec<T>;
  const V size = (y * weight) * y; // y^β
  sums.size += inside * size;
  if constexpr (powers == Powers::flat) {
    sums.first += inside * y;
    sums.second -= inside * (x * log_of<T>(y));
  } else if constexpr (powers == Powers::inverse) {
    sums.first += inside * ((x * weight) * y);
    sums.second += inside * log_of<T>(y);
  } else {
    sums.first += inside * (size * fill<V>(T(1) / beta));
    sums.second -= inside * ((x * weight) * y) * fill<V>(T(1) / (beta - T(1)));
  }
}

// Of N vectors of a row; with `steps` y gives way to (y - x) y^(β-2), and the weights are stored.
template <Powers powers, bool steps, int N, class T>
NONNEG_INLINE void entry_terms(const Irls<T> &options, const T *x, T *y, T *weights,
                               Vec<T> inside, EntrySums<T> &sums) {
  using V = Vec<T>;
  using S = Beside<V, N>;
  constexpr int L = kLanes<T>;
  const V floor = fill<V>(options.floor);
  const S raised = S::of([&](auto i) NONNEG_LAMBDA {
    const V y_i = load<V>(y + i * L);
    return y_i > floor ? y_i : floor;
  });
  const S weight = weights_of<powers, T, N>(options.beta, raised);
  unroll<N>([&](auto i) NONNEG_LAMBDA {
    const V x_i = load<V>(x + i * L);
    add_entry<powers, T>(options.beta, x_i, raised.part[i], weight.part[i], inside, sums);
    if constexpr (steps) {
      store(y + i * L, inside * ((raised.part[i] - x_i) * weight.part[i]));
      store(weights + i * L, inside * weight.part[i]);
    }
  });
}

// Of n entries of a row, x and y whole vectors long. Behind the entries the terms are 0.
template <Powers powers, bool steps, class T>
static EntrySums<T> row_terms_of(const Irls<T> &given, const T *x, T *y, T *weights, Index n) {
  constexpr int L = kLanes<T>, N = kTermVectors;
  const Irls<T> options = given; // a copy: stores might change what a reference refers to
  const Vec<T> all = fill<Vec<T>>(T(1));
  EntrySums<T> sums = EntrySums<T>::zero();
  Index j = 0;
  for (; j + N * L <= n; j += N * L)
    entry_terms<powers, steps, N>(options, x + j, y + j, weights + j, all, sums);
  for (; j + L <= n; j += L)
    entry_terms<powers, steps, 1>(options, x + j, y + j, weights + j, all, sums);
  if (j < n) {
    Vec<T> inside = all;
    for (Index lane = n - j; lane < L; ++lane) {
      inside[static_cast<int>(lane)] = T(0);
      y[j + lane] = T(1); // no infinite power, which times 0 is no number
    }
    entry_terms<powers, steps, 1>(options, x + j, y + j, weights + j, inside, sums);
  }
  return sums;
}

template <bool steps, class T>
static EntrySums<T> row_terms_by(Powers powers, const Irls<T> &options, const T *x, T *y,
                                 T *weights, Index n) {
  switch (powers) {
  case Powers::flat: return row_terms_of<Powers::flat, steps>(options, x, y, weights, n);
  case Powers::inverse: return row_terms_of<Powers::inverse, steps>(options, x, y, weights, n);
  case Powers::root: return row_terms_of<Powers::root, steps>(options, x, y, weights, n);
  case Powers::any: break;
  }
  return row_terms_of<Powers::any, steps>(options, x, y, weights, n);
}

} // namespace nonneg::NONNEG_ISA
