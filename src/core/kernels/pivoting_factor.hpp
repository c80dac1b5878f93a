// Factors of the lanes' passive sets, L D L' without square roots, and their solution.
#pragma once

#include "kernels/pivoting_tile.hpp"

namespace nonneg::NONNEG_ISA {

// A pivot below this share of its diagonal is rounding: the column depends on the ones
// before, and its coordinate stays 0 in this set.
constexpr double kExactPivot = 1e-13;
// A dependent coordinate whose gradient would still fall, as under an L1 penalty, moves
// along its null direction as if its pivot were that share: far enough to end the
// dependence, by driving another coordinate below 0.
constexpr double kExactSoftPivot = 1e-10;
// Share of a row's scale above which it falls: the rounding of the right-hand sides.
template <class T> constexpr double kExactFalls = sizeof(T) == 4 ? 2e-6 : 1e-11;

// Entry j of R rows of L D, less the columns before j.
template <int R>
NONNEG_INLINE void reduce_rows(double *row, Index stride, const double *scaled, int j) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  V sum[R];
  unroll<R>([&](auto v) NONNEG_LAMBDA { sum[v] = load<V>(row + (v * stride + j) * L); });
  for (int p = 0; p < j; ++p) {
    const V f = load<V>(scaled + p * L);
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      sum[v] -= load<V>(row + (v * stride + p) * L) * f;
    });
  }
  unroll<R>([&](auto v) NONNEG_LAMBDA { store(row + (v * stride + j) * L, sum[v]); });
}

// The entries of a panel, columns j and on, in the R rows; scaled rows are `step` apart.
template <int R>
NONNEG_INLINE void reduce_panel(double *row, Index stride, const double *scaled, Index step,
                                int j) {
  constexpr int L = kExactLanes, C = kPanelColumns;
  using V = ExactVec;
  V sum[R][C];
  unroll<R>([&](auto v) NONNEG_LAMBDA {
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      sum[v][c] = load<V>(row + (v * stride + j + c) * L);
    });
  });
  for (int p = 0; p < j; ++p) {
    V f[C];
    unroll<C>([&](auto c) NONNEG_LAMBDA { f[c] = load<V>(scaled + (c * step + p) * L); });
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      const V entry = load<V>(row + (v * stride + p) * L);
      unroll<C>([&](auto c) NONNEG_LAMBDA { sum[v][c] -= entry * f[c]; });
    });
  }
  unroll<C>([&](auto p) NONNEG_LAMBDA {
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      if constexpr (c > p) {
        const V f = load<V>(scaled + (c * step + j + p) * L);
        unroll<R>([&](auto v) NONNEG_LAMBDA { sum[v][c] -= sum[v][p] * f; });
      }
    });
  });
  unroll<R>([&](auto v) NONNEG_LAMBDA {
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      store(row + (v * stride + j + c) * L, sum[v][c]);
    });
  });
}

// G[F,F] of every lane, side by side, and rows of zeros that spare the panels a tail.
static void gather_sets(ExactTile &tile) {
  constexpr int L = kExactLanes;
  const Index stride = tile.stride, c = tile.k + 1;
  int n = 0;
  for (const ExactLane &lane : tile.lanes)
    n = larger(n, lane.size);
  tile.n = n;
  for (int i = 0; i < n; ++i) {
    const double *rows[L];
    for (int l = 0; l < L; ++l)
      rows[l] = tile.gram + tile.index[i * L + l] * c;
    double *out = tile.factor + i * stride * L;
    for (int j = 0; j <= i; ++j, out += L)
      for (int l = 0; l < L; ++l)
        out[l] = rows[l][tile.index[j * L + l]];
  }
  for (int i = n; i < n + kPanelRows - 1; ++i)
    for (int j = 0; j < n; ++j)
      store(tile.factor + (i * stride + j) * L, fill<ExactVec>(0.0));
}

// One column of the panel's own rows, `left` of them from the pivot's on.
static void pivot_column(ExactTile &tile, double *scaled, int j, int left) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  const Index stride = tile.stride;
  double *const row = tile.factor + j * stride * L;
  for (int p = 0; p < j; ++p)
    store(scaled + p * L, load<V>(row + p * L) * load<V>(tile.inverse + p * L));
  const V diagonal = load<V>(row + j * L), one = fill<V>(1.0);
  switch (left) {
  case 1:
    reduce_rows<1>(row, stride, scaled, j);
    break;
  case 2:
    reduce_rows<2>(row, stride, scaled, j);
    break;
  case 3:
    reduce_rows<3>(row, stride, scaled, j);
    break;
  default:
    reduce_rows<4>(row, stride, scaled, j);
  }
  const V pivot = load<V>(row + j * L);
  const auto sound = pivot > diagonal * fill<V>(kExactPivot);
  store(tile.inverse + j * L, sound ? one / (sound ? pivot : one) : fill<V>(0.0));
}

// G[F,F] = L D L' in every lane. The order of a row's operations depends on neither n nor
// the panels.
static void factor(ExactTile &tile) {
  constexpr int L = kExactLanes, C = kPanelColumns;
  gather_sets(tile);
  tile.changed = false;
  const Index stride = tile.stride, step = tile.k + kExactPad;
  const int n = tile.n;
  for (int j = 0; j < n; j += C) {
    const int columns = smaller(C, n - j);
    for (int c = 0; c < columns; ++c)
      pivot_column(tile, tile.scaled + c * step * L, j + c, columns - c);
    for (int i = j + C; i < n; i += kPanelRows)
      reduce_panel<kPanelRows>(tile.factor + i * stride * L, stride, tile.scaled, step, j);
  }
}

// part = (L D L')^-1 part.
static void solve_parts(ExactTile &tile, double falls) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  const int n = tile.n;
  const V zero = fill<V>(0.0);
  V least = zero;
  for (int t = 0; t < tile.k; ++t) {
    const V q = load<V>(tile.rhs + t * L), size = q < zero ? -q : q;
    least = size > least ? size : least;
  }
  least *= fill<V>(falls);
  double *const z = tile.part;
  for (int i = 0; i < n; ++i) {
    const double *const row = tile.factor + i * tile.stride * L;
    V even = load<V>(z + i * L), odd = zero;
    int p = 0;
    for (; p + 1 < i; p += 2) {
      even -= load<V>(row + p * L) * load<V>(tile.scaled + p * L);
      odd -= load<V>(row + (p + 1) * L) * load<V>(tile.scaled + (p + 1) * L);
    }
    if (p < i)
      even -= load<V>(row + p * L) * load<V>(tile.scaled + p * L);
    even += odd;
    const V inverse = load<V>(tile.inverse + i * L);
    // a dependent coordinate has no part in later ones, and moves only where it falls
    store(tile.scaled + i * L, even * inverse);
    const V soft = even > least ? even * fill<V>(1 / kExactSoftPivot) : zero;
    store(z + i * L, inverse > zero ? even * inverse : soft);
  }
  for (int j = n - 1; j >= 0; --j) {
    const double *const row = tile.factor + j * tile.stride * L;
    const V x = load<V>(z + j * L);
    for (int i = 0; i < j; ++i)
      store(z + i * L, load<V>(z + i * L) -
                           load<V>(row + i * L) * load<V>(tile.inverse + i * L) * x);
  }
}

// ---- one factor for rows without a set of their own ------------------------------------

// a -= f b from entry `first` on. Writes up to a vector beyond n: there `a` is free or done.
NONNEG_INLINE void subtract_scaled(double *a, const double *b, double f, int first, int n) {
  using V = ExactVec;
  for (int i = first; i < n; i += kExactLanes)
    store(a + i, load<V>(a + i) - load<V>(b + i) * fill<V>(f));
}

// G = L D L' of all coordinates: D L' above the diagonal of `whole`, L D below it, so that
// both halves of a solution run along rows; the inverse of D on the diagonal.
static void factor_whole(ExactTile &tile) {
  const int k = tile.k;
  const Index stride = tile.whole_stride;
  for (int i = 0; i < k; ++i)
    for (int j = 0; j < stride; ++j)
      tile.whole[i * stride + j] =
          j < k ? tile.gram[static_cast<Index>(i) * (k + 1) + j] : 0;
  for (int j = 0; j < k; ++j) {
    double *const row = tile.whole + j * stride;
    const double smallest = tile.gram[static_cast<Index>(j) * (k + 2)] * kExactPivot;
    const double inverse = row[j] > smallest ? 1 / row[j] : 0;
    for (int i = j + 1; i < k; ++i) {
      double *const below = tile.whole + i * stride;
      subtract_scaled(below, row, row[i] * inverse, i, k);
      below[j] = row[i];
    }
    row[j] = inverse;
  }
  tile.has_whole = true;
}

} // namespace nonneg::NONNEG_ISA
