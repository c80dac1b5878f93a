// Curvatures, gradients and objectives of the entries of a row, for iteratively reweighted least
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

// 1/y and y^(β-2).
template <Powers powers, class T, int N, class S = Beside<Vec<T>, N>>
NONNEG_INLINE void weights_of(T beta, const S &y, S &inverse, S &weight) {
  using V = Vec<T>;
  if constexpr (powers == Powers::root) {
    const S root = inverse_roots<T, N>(y);
    const bool falls = beta < T(1);
    inverse = S::of([&](auto i) NONNEG_LAMBDA { return root.part[i] * root.part[i]; });
    weight = S::of([&](auto i) NONNEG_LAMBDA {
      return falls ? inverse.part[i] * root.part[i] : root.part[i];
    });
    return;
  }
  inverse = S::of([&](auto i) NONNEG_LAMBDA { return fill<V>(T(1)) / y.part[i]; });
  if constexpr (powers == Powers::flat)
    weight = inverse;
  else if constexpr (powers == Powers::inverse)
    weight = S::of([&](auto i) NONNEG_LAMBDA { return inverse.part[i] * inverse.part[i]; });
  else
    weight = powers_beside<T, N>(y, beta - T(2));
}

// y^(β-2) r^power with r = (2 - β) x/y + max(0, β - 1), see Irls. At β = 2 all of them are 1.
template <class T, int N, class S = Beside<Vec<T>, N>>
NONNEG_INLINE S curvatures_of(const Irls<T> &options, const S &x, const S &inverse, const S &weight) {
  using V = Vec<T>;
  if (options.power == 0 || options.beta == T(2))
    return weight;
  const V steep = fill<V>(T(2) - options.beta);
  const V flat = fill<V>(options.beta > T(1) ? options.beta - T(1) : T(0));
  const S r = S::of([&](auto i) NONNEG_LAMBDA { return steep * (x.part[i] * inverse.part[i]) + flat; });
  if (options.power == 1)
    return S::of([&](auto i) NONNEG_LAMBDA { return weight.part[i] * r.part[i]; });
  const S root = inverse_roots<T, N>(r); // finite where r is 0
  return S::of([&](auto i) NONNEG_LAMBDA { return weight.part[i] * (r.part[i] * root.part[i]); });
}

// What of the divergence depends on y, in two parts whose difference is small beside them; `raised`
// is y or the floor. With `low`, y may be below it where its power is not negative.
template <Powers powers, bool low, class T>
NONNEG_INLINE void add_entry(const Irls<T> &options, Vec<T> x, Vec<T> y, Vec<T> raised,
                             Vec<T> weight, Vec<T> inside, EntrySums<T> &sums) {
  using V = Vec<T>;
  const T beta = options.beta;
  const V size = (raised * weight) * raised; // y^β
  sums.size += inside * size;
  if constexpr (powers == Powers::flat) {
    sums.first += inside * y;
    sums.second -= inside * (x * log_of<T>(raised));
  } else if constexpr (powers == Powers::inverse) {
    sums.first += inside * ((x * weight) * raised);
    sums.second += inside * log_of<T>(raised);
  } else {
    V own = size;
    if constexpr (low)
      own = y < raised ? power_of<T>(y, beta) : size;
    sums.first += inside * (own * fill<V>(T(1) / beta));
    sums.second -= inside * ((x * weight) * raised) * fill<V>(T(1) / (beta - T(1)));
  }
}

// Of N vectors of a row; with `steps` y gives way to (y - x) y^(β-2), and the curvatures are stored.
template <Powers powers, bool low, bool steps, int N, class T>
NONNEG_INLINE void entry_terms(const Irls<T> &options, const T *x, T *y, T *curvatures,
                               Vec<T> inside, EntrySums<T> &sums) {
  using V = Vec<T>;
  using S = Beside<V, N>;
  constexpr int L = kLanes<T>;
  const V floor = fill<V>(options.floor);
  const S own = S::of([&](auto i) NONNEG_LAMBDA { return load<V>(y + i * L); });
  const S all_x = S::of([&](auto i) NONNEG_LAMBDA { return load<V>(x + i * L); });
  const S raised = S::of([&](auto i) NONNEG_LAMBDA {
    return own.part[i] > floor ? own.part[i] : floor;
  });
  S inverse, weight;
  weights_of<powers, T, N>(options.beta, raised, inverse, weight);
  unroll<N>([&](auto i) NONNEG_LAMBDA {
    add_entry<powers, low, T>(options, all_x.part[i], own.part[i], raised.part[i], weight.part[i],
                              inside, sums);
  });
  if constexpr (steps) {
    const S curvature = curvatures_of<T, N>(options, all_x, inverse, weight);
    unroll<N>([&](auto i) NONNEG_LAMBDA {
      store(y + i * L, inside * ((raised.part[i] - all_x.part[i]) * weight.part[i]));
      store(curvatures + i * L, inside * curvature.part[i]);
    });
  }
}

// Of n entries of a row, x and y whole vectors long. Behind the entries the terms are 0.
template <Powers powers, bool low, bool steps, class T>
static EntrySums<T> row_terms_of(const Irls<T> &given, const T *x, T *y, T *curvatures, Index n) {
  constexpr int L = kLanes<T>, N = kTermVectors;
  const Irls<T> options = given; // a copy: stores might change what a reference refers to
  const Vec<T> all = fill<Vec<T>>(T(1));
  EntrySums<T> sums = EntrySums<T>::zero();
  Index j = 0;
  for (; j + N * L <= n; j += N * L)
    entry_terms<powers, low, steps, N>(options, x + j, y + j, curvatures + j, all, sums);
  for (; j + L <= n; j += L)
    entry_terms<powers, low, steps, 1>(options, x + j, y + j, curvatures + j, all, sums);
  if (j < n) {
    Vec<T> inside = all;
    for (Index lane = n - j; lane < L; ++lane) {
      inside[static_cast<int>(lane)] = T(0);
      y[j + lane] = T(1); // no infinite power, which times 0 is no number
    }
    entry_terms<powers, low, steps, 1>(options, x + j, y + j, curvatures + j, inside, sums);
  }
  return sums;
}

// Whether one of the n numbers is below the floor.
template <class T> NONNEG_INLINE bool falls_below(const T *y, Index n, T floor) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V least = fill<V>(floor);
  Index j = 0;
  for (; j + L <= n; j += L) {
    const V y_j = load<V>(y + j);
    least = y_j < least ? y_j : least;
  }
  bool below = false;
  for (int lane = 0; lane < L; ++lane)
    below |= least[lane] < floor;
  for (; j < n; ++j)
    below |= y[j] < floor;
  return below;
}

template <bool steps, class T>
static EntrySums<T> row_terms_by(Powers powers, const Irls<T> &options, const T *x, T *y,
                                 T *curvatures, Index n) {
  switch (powers) {
  case Powers::flat: return row_terms_of<Powers::flat, false, steps>(options, x, y, curvatures, n);
  case Powers::inverse: return row_terms_of<Powers::inverse, false, steps>(options, x, y, curvatures, n);
  case Powers::root:
    return falls_below(y, n, options.floor)
               ? row_terms_of<Powers::root, true, steps>(options, x, y, curvatures, n)
               : row_terms_of<Powers::root, false, steps>(options, x, y, curvatures, n);
  case Powers::any: break;
  }
  return falls_below(y, n, options.floor)
             ? row_terms_of<Powers::any, true, steps>(options, x, y, curvatures, n)
             : row_terms_of<Powers::any, false, steps>(options, x, y, curvatures, n);
}

} // namespace nonneg::NONNEG_ISA
