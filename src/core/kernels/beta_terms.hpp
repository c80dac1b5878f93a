// Terms of the β-divergence and of its gradient, for vectors of entries.
#pragma once

#include "kernels/elementary.hpp"
#include "kernels/powers.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Vectors of terms side by side, where they take roots or logarithms (D-CORE-BETA-POWERS).
constexpr int kTermVectors = 4;

// Ways to make the powers of y: none, 1/y, by its root (β = 1/2 and 3/2), by its logarithm.
enum class Powers { flat, inverse, root, any };

NONNEG_INLINE Powers powers_of(double beta) {
  return beta == 1                    ? Powers::flat
         : beta == 0                  ? Powers::inverse
         : beta == 0.5 || beta == 1.5 ? Powers::root
                                      : Powers::any;
}

// x y^(β-2), y^(β-1) and the divergence of vectors of x and y. A floor is a least y.
template <class T> struct BetaTerms {
  using V = Vec<T>;
  T beta;
  V floor;

  NONNEG_INLINE V raised(V y, V floor) { return y > floor ? y : floor; }
  template <int N> NONNEG_INLINE_MEMBER Beside<V, N> all_raised(const Beside<V, N> &y) const {
    return Beside<V, N>::of([&](auto i) NONNEG_LAMBDA { return raised(y.part[i], floor); });
  }

  V negative(V x, V y) const {
    if (beta == T(2))
      return x;
    if (beta < T(2))
      y = raised(y, floor);
    if (beta == T(1))
      return x / y;
    // y^(β-2) alone may be beyond all numbers where x is as small as y
    if (beta == T(0))
      return (x / y) / y;
    if (beta < T(2))
      return (x / y) * power_of<T>(y, beta - T(1));
    return x * power_of<T>(y, beta - T(2));
  }

  template <int N> NONNEG_INLINE_MEMBER Beside<V, N> positives(const Beside<V, N> &y) const {
    if (beta == T(2))
      return y;
    const Beside<V, N> base = beta < T(1) ? all_raised<N>(y) : y;
    if (beta == T(0))
      return Beside<V, N>::of([&](auto i) NONNEG_LAMBDA { return fill<V>(T(1)) / base.part[i]; });
    return powers_beside<T, N>(base, beta - T(1));
  }

  V positive(V y) const { return positives<1>({{y}}).part[0]; }

  // β = 1: x / y^2, the second derivative.
  V bend(V x, V y) const {
    y = raised(y, floor);
    return (x / y) / y;
  }

  // The divergence but for y at β = 1 and for what depends on y alone elsewhere, where x
  // is positive; else 0. β = 1: x log(x/y) - x; β = 0: x/y - log(x/y).
  V present(V x, V y) const {
    const V zero = fill<V>(T(0)), one = fill<V>(T(1));
    const V safe_x = x > zero ? x : one;
    y = raised(y, floor);
    V value;
    if (beta == T(1))
      value = safe_x * log_ratio<T>(safe_x, y) - safe_x;
    else if (beta == T(0)) {
      const V ratio = safe_x / y;
      value = ratio - log_of<T>(ratio);
    } else {
      const V mixed = fill<V>(beta) * (safe_x * power_of<T>(y, beta - T(1)));
      value = (power_of<T>(safe_x, beta) - mixed) * fill<V>(T(1) / (beta * (beta - T(1))));
    }
    return x > zero ? value : zero;
  }

  // What of the divergence depends on y alone, for every entry.
  V anywhere(V y) const {
    if (beta == T(1))
      return y;
    if (beta == T(0))
      return fill<V>(T(-1));
    if (beta < T(0))
      y = raised(y, floor);
    return power_of<T>(y, beta) * fill<V>(T(1) / beta);
  }
};

// What y^(β-2), as made by both_terms, is for a y below the floor, where 1 < β < 2. To be made once
// for many entries.
template <Powers powers, class T> NONNEG_INLINE Vec<T> floor_power(const BetaTerms<T> &b) {
  if constexpr (powers == Powers::root)
    return inverse_roots<T, 1>({{b.floor}}).part[0];
  else if constexpr (powers == Powers::any)
    return power_of<T>(b.floor, b.beta - T(1));
  else
    return b.floor;
}

// Both terms by roots; `falls`: β = 1/2, else 3/2.
template <bool falls, class T, int N, class S = Beside<Vec<T>, N>>
NONNEG_INLINE void root_terms(const BetaTerms<T> &b, Vec<T> least, const S &x, const S &y,
                              S &negative, S &positive) {
  const S safe = b.template all_raised<N>(y);
  const S inverse = inverse_roots<T, N>(falls ? safe : y);
  positive = S::of([&](auto i) NONNEG_LAMBDA {
    return falls ? inverse.part[i] : y.part[i] * inverse.part[i];
  });
  negative = S::of([&](auto i) NONNEG_LAMBDA {
    const Vec<T> one = inverse.part[i];
    return falls ? ((x.part[i] * one) * one) * one : x.part[i] * (one < least ? one : least);
  });
}

// Both terms by logarithms; `falls`: β < 1, else 1 < β < 2.
template <bool falls, class T, int N, class S = Beside<Vec<T>, N>>
NONNEG_INLINE void power_terms(const BetaTerms<T> &b, Vec<T> least, const S &x, const S &y,
                               S &negative, S &positive) {
  const S safe = b.template all_raised<N>(y);
  positive = powers_beside<T, N>(falls ? safe : y, b.beta - T(1));
  negative = S::of([&](auto i) NONNEG_LAMBDA {
    const Vec<T> power = positive.part[i], ratio = x.part[i] / safe.part[i];
    return ratio * (falls ? power : power > least ? power : least);
  });
}

// Both terms of the gradient, by one power of y; at β = 1 the second is not set.
template <Powers powers, class T, int N, class S = Beside<Vec<T>, N>>
NONNEG_INLINE void both_terms(const BetaTerms<T> &b, Vec<T> least, const S &x, const S &y,
                              S &negative, S &positive) {
  using V = Vec<T>;
  if constexpr (powers == Powers::flat) {
    negative = S::of(
        [&](auto i) NONNEG_LAMBDA { return x.part[i] / b.raised(y.part[i], b.floor); });
  } else if constexpr (powers == Powers::inverse) {
    positive = S::of(
        [&](auto i) NONNEG_LAMBDA { return fill<V>(T(1)) / b.raised(y.part[i], b.floor); });
    negative = S::of([&](auto i) NONNEG_LAMBDA {
      return (x.part[i] * positive.part[i]) * positive.part[i];
    });
  } else if constexpr (powers == Powers::root) {
    if (b.beta < T(1))
      root_terms<true, T, N>(b, least, x, y, negative, positive);
    else
      root_terms<false, T, N>(b, least, x, y, negative, positive);
  } else if (b.beta < T(1)) {
    power_terms<true, T, N>(b, least, x, y, negative, positive);
  } else if (b.beta < T(2)) {
    power_terms<false, T, N>(b, least, x, y, negative, positive);
  } else {
    const S power = powers_beside<T, N>(y, b.beta - T(2));
    negative = S::of([&](auto i) NONNEG_LAMBDA { return x.part[i] * power.part[i]; });
    positive = S::of([&](auto i) NONNEG_LAMBDA { return y.part[i] * power.part[i]; });
  }
}

} // namespace nonneg::NONNEG_ISA
