// Terms of the β-divergence and of its gradient, for vectors of entries.
#pragma once

#include "kernels/elementary.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Ways to make the powers of y: none, 1/y, by its root (β = 1/2 and 3/2), by its logarithm.
enum class Powers { flat, inverse, root, any };

NONNEG_INLINE Powers powers_of(double beta) {
  return beta == 1                  ? Powers::flat
         : beta == 0                ? Powers::inverse
         : beta == 0.5 || beta == 1.5 ? Powers::root
                                    : Powers::any;
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
      value = safe_x * log_of<T>(safe_x / y) - safe_x;
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

// Both terms of the gradient, by one power of y; at β = 1 the second is not set.
template <Powers powers, class T>
NONNEG_INLINE void both_terms(const BetaTerms<T> &b, Vec<T> x, Vec<T> y, Vec<T> &negative,
                              Vec<T> &positive) {
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
      negative = x * (y > floor ? inverse : inverse_root<T>(floor));
    }
  } else if (b.beta >= T(2)) {
    const V power = power_of<T>(y, b.beta - T(2));
    negative = x * power;
    positive = y * power;
  } else {
    positive = power_of<T>(b.beta < T(1) ? safe : y, b.beta - T(1));
    const V least = power_of<T>(floor, b.beta - T(1));
    negative = (x / safe) * (y > floor ? positive : least);
  }
}

} // namespace nonneg::NONNEG_ISA
