// Terms of the β-divergence and of its gradient, for vectors of entries.
#pragma once

#include "kernels/elementary.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Ways to make the powers of y: none, 1/y, by its root (β = 1/2 and 3/2), by the root of that
// (β = 1/4, 3/4, 5/4 and 7/4), by its logarithm.
enum class Powers { flat, inverse, root, quarter, any };

NONNEG_INLINE Powers powers_of(double beta) {
  return beta == 1                  ? Powers::flat
         : beta == 0                ? Powers::inverse
         : beta == 0.5 || beta == 1.5 ? Powers::root
         : beta > 0 && beta < 2 && beta * 4 == static_cast<int>(beta * 4) ? Powers::quarter
                                                                          : Powers::any;
}

// y^power for a power of ±1/4 or ±3/4, by two roots; y is positive.
template <class T> NONNEG_INLINE Vec<T> quarter_power(Vec<T> y, T power) {
  const Vec<T> inverse = inverse_root<T>(y), root = y * inverse, quarter = inverse_root<T>(root);
  const Vec<T> one = power < T(0) ? quarter : root * quarter;
  const Vec<T> two = power < T(0) ? inverse : root;
  return power * power > T(0.25) ? one * two : one;
}

// x y^(β-2), y^(β-1) and the divergence of vectors of x and y. A floor is a least y.
template <class T> struct BetaTerms {
  using V = Vec<T>;
  T beta;
  V floor;

  NONNEG_INLINE V raised(V y, V floor) { return y > floor ? y : floor; }

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

  V positive(V y) const {
    if (beta == T(2))
      return y;
    if (beta < T(1))
      y = raised(y, floor);
    if (beta == T(0))
      return fill<V>(T(1)) / y;
    return power_of<T>(y, beta - T(1));
  }

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

// y^power for a power between -1 and 1.
template <Powers powers, class T> NONNEG_INLINE Vec<T> term_power(Vec<T> y, T power) {
  return powers == Powers::quarter ? quarter_power<T>(y, power) : power_of<T>(y, power);
}

// The power that takes the place of y's for a y below the floor, where 1 < β < 2. To be made
// once for many entries.
template <Powers powers, class T> NONNEG_INLINE Vec<T> floor_power(const BetaTerms<T> &b) {
  if constexpr (powers == Powers::root)
    return inverse_root<T>(b.floor);
  else if constexpr (powers == Powers::quarter || powers == Powers::any)
    return term_power<powers, T>(b.floor, b.beta - T(1));
  else
    return b.floor;
}

// Both terms of the gradient, by one power of y; at β = 1 the second is not set.
template <Powers powers, class T>
NONNEG_INLINE void both_terms(const BetaTerms<T> &b, Vec<T> least, Vec<T> x, Vec<T> y,
                              Vec<T> &negative, Vec<T> &positive) {
  using V = Vec<T>;
  const V floor = b.floor, safe = b.raised(y, floor);
  if constexpr (powers == Powers::flat) {
    negative = x / safe;
  } else if constexpr (powers == Powers::inverse) {
    positive = fill<V>(T(1)) / safe;
    negative = (x * positive) * positive;
  } else if constexpr (powers == Powers::root) {
    if (b.beta < T(1)) {
      positive = inverse_root<T>(safe);
      negative = ((x * positive) * positive) * positive;
    } else {
      const V inverse = inverse_root<T>(y);
      positive = y * inverse;
      negative = x * (y > floor ? inverse : least);
    }
  } else if (powers == Powers::any && b.beta >= T(2)) {
    const V power = power_of<T>(y, b.beta - T(2));
    negative = x * power;
    positive = y * power;
  } else if (b.beta < T(1)) {
    positive = term_power<powers, T>(safe, b.beta - T(1));
    negative = (x / safe) * positive;
  } else {
    positive = term_power<powers, T>(y, b.beta - T(1));
    negative = (x / safe) * (y > floor ? positive : least);
  }
}

} // namespace nonneg::NONNEG_ISA
