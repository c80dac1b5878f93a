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

// Partial sums of an entry within a panel's own rows, so that none waits for the one before.
// Where the rows are more than two, they don't wait anyway.
constexpr int kPivotChains = kPanelColumns > 2 ? 1 : 2;

template <size_t... I>
NONNEG_INLINE ExactVec gathered_lanes(const double *const (&rows)[kExactLanes],
                                      const int64_t (&column)[kExactLanes],
                                      std::index_sequence<I...>) {
  return ExactVec{rows[I][column[I]]...};
}

// One number of each lane's row.
NONNEG_INLINE ExactVec gathered(const double *const (&rows)[kExactLanes],
                                const int64_t (&column)[kExactLanes]) {
  return gathered_lanes(rows, column, std::make_index_sequence<kExactLanes>{});
}

// G[F,F] of every lane below the diagonal, side by side.
static void gather_sets(ExactTile &tile) {
  constexpr int L = kExactLanes;
  const Index stride = tile.stride, c = tile.k + 1;
  tile.n = 0;
  for (const ExactLane &lane : tile.lanes)
    tile.n = larger(tile.n, lane.size);
  // two rows share the loads of their columns; what is beyond a diagonal is overwritten
  for (int i = 0; i < tile.n; i += 2) {
    const double *first[L], *second[L];
    for (int l = 0; l < L; ++l) {
      first[l] = tile.gram + tile.index[i * L + l] * c;
      second[l] = tile.gram + tile.index[(i + 1) * L + l] * c;
    }
    double *const out = tile.factor + i * stride * L;
    for (int j = 0; j < i + 2; ++j) {
      int64_t column[L];
      for (int l = 0; l < L; ++l)
        column[l] = tile.index[j * L + l];
      store(out + j * L, gathered(first, column));
      store(out + (stride + j) * L, gathered(second, column));
    }
  }
}

// The pivots of C columns from j on: turns their rows from L D to L.
template <int C> NONNEG_INLINE void pivot_panel(ExactTile &tile, int j) {
  constexpr int L = kExactLanes, S = kPivotChains;
  using V = ExactVec;
  const V zero = fill<V>(0.0), one = fill<V>(1.0);
  double *rows[C];
  V sum[C][C], other[C][C], diagonal[C];
  unroll<C>([&](auto c) NONNEG_LAMBDA {
    rows[c] = tile.factor + (j + c) * tile.stride * L;
    unroll<c + 1>([&](auto d) NONNEG_LAMBDA {
      sum[c][d] = load<V>(rows[c] + (j + d) * L);
      other[c][d] = zero;
    });
    diagonal[c] = sum[c][c];
  });
  const auto add = [&](int p, V(&to)[C][C]) NONNEG_LAMBDA {
    const V inverse = load<V>(tile.inverse + p * L);
    V entry[C], scaled[C];
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      entry[c] = load<V>(rows[c] + p * L);
      scaled[c] = entry[c] * inverse;
      store(rows[c] + p * L, scaled[c]);
    });
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      unroll<c + 1>([&](auto d) NONNEG_LAMBDA { to[c][d] -= entry[c] * scaled[d]; });
    });
  };
  int p = 0;
  for (; p + S <= j; p += S)
    unroll<S>([&](auto s) NONNEG_LAMBDA {
      if constexpr (s == 0)
        add(p, sum);
      else
        add(p + s, other);
    });
  for (; p < j; ++p)
    add(p, sum);
  if constexpr (S > 1)
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      unroll<c + 1>([&](auto d) NONNEG_LAMBDA { sum[c][d] += other[c][d]; });
    });
  unroll<C>([&](auto c) NONNEG_LAMBDA {
    const V pivot = sum[c][c];
    const auto sound = pivot > diagonal[c] * fill<V>(kExactPivot);
    const V inverse = sound ? one / (sound ? pivot : one) : zero;
    store(tile.inverse + (j + c) * L, inverse);
    unroll<C - 1 - c>([&](auto later) NONNEG_LAMBDA {
      constexpr int i = c + 1 + decltype(later)::value;
      const V scaled = sum[i][c] * inverse;
      store(rows[i] + (j + c) * L, scaled);
      other[i][c] = scaled;
      unroll<i - c>([&](auto d) NONNEG_LAMBDA {
        constexpr int column = c + 1 + decltype(d)::value;
        sum[i][column] -= sum[i][c] * other[column][c];
      });
    });
  });
}

// Columns j and on, C of them, in R rows below them: L D from G.
template <int R, int C> NONNEG_INLINE void reduce_panel(ExactTile &tile, double *row, int j) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  const Index stride = tile.stride;
  const double *const above = tile.factor + j * stride * L;
  V sum[R][C];
  unroll<R>([&](auto v) NONNEG_LAMBDA {
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      sum[v][c] = load<V>(row + (v * stride + j + c) * L);
    });
  });
  for (int p = 0; p < j; ++p) {
    V f[C];
    unroll<C>([&](auto c) NONNEG_LAMBDA { f[c] = load<V>(above + (c * stride + p) * L); });
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      const V entry = load<V>(row + (v * stride + p) * L);
      unroll<C>([&](auto c) NONNEG_LAMBDA { sum[v][c] -= entry * f[c]; });
    });
  }
  unroll<C>([&](auto p) NONNEG_LAMBDA {
    unroll<C - 1 - p>([&](auto behind) NONNEG_LAMBDA {
      constexpr int c = p + 1 + decltype(behind)::value;
      const V f = load<V>(above + (c * stride + j + p) * L);
      unroll<R>([&](auto v) NONNEG_LAMBDA { sum[v][c] -= sum[v][p] * f; });
    });
  });
  unroll<R>([&](auto v) NONNEG_LAMBDA {
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      store(row + (v * stride + j + c) * L, sum[v][c]);
    });
  });
}

template <int C> NONNEG_INLINE void factor_panel(ExactTile &tile, int j) {
  pivot_panel<C>(tile, j);
  const Index row = tile.stride * kExactLanes;
  for (int i = j + C; i <= tile.n; i += kPanelRows)
    reduce_panel<kPanelRows, C>(tile, tile.factor + i * row, j);
}

// G[F,F], which is gathered, = L D L' in every lane. What is to be solved for is in the row below,
// as one more row of the factor, and becomes L^-1 times it. The order of a row's operations depends
// on neither n nor the panels.
static void factor(ExactTile &tile) {
  constexpr int L = kExactLanes, C = kPanelColumns;
  tile.changed = false;
  const int n = tile.n;
  const Index row = tile.stride * L;
  double *const last = tile.factor + n * row;
  // rows that spare the panels a tail
  for (int i = 1; i < kPanelRows; ++i)
    for (int j = 0; j < n * L; ++j)
      last[i * row + j] = 0;
  int j = 0;
  for (; j + C <= n; j += C)
    factor_panel<C>(tile, j);
  switch (n - j) {
  case 1: factor_panel<1>(tile, j); break;
  case 2: factor_panel<(C > 2 ? 2 : 1)>(tile, j); break;
  case 3: factor_panel<(C > 3 ? 3 : 1)>(tile, j); break;
  }
}

// z = L^-1 z, as `factor` does it.
static void solve_forward(const ExactTile &tile, double *z) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  const Index row = tile.stride * L;
  int i = 0;
  for (; i + 2 <= tile.n; i += 2) {
    const double *const first = tile.factor + i * row, *const second = first + row;
    V a = load<V>(z + i * L), b = load<V>(z + (i + 1) * L);
    for (int p = 0; p < i; ++p) {
      const V x = load<V>(z + p * L);
      a -= x * load<V>(first + p * L);
      b -= x * load<V>(second + p * L);
    }
    store(z + i * L, a);
    store(z + (i + 1) * L, b - a * load<V>(second + i * L));
  }
  if (i < tile.n) {
    V a = load<V>(z + i * L);
    for (int p = 0; p < i; ++p)
      a -= load<V>(z + p * L) * load<V>(tile.factor + i * row + p * L);
    store(z + i * L, a);
  }
}

// z = L'^-1 D^-1 z.
static void solve_backward(const ExactTile &tile, double *z, double falls) {
  constexpr int L = kExactLanes;
  using V = ExactVec;
  const int n = tile.n;
  const V zero = fill<V>(0.0), least = load<V>(tile.size) * fill<V>(falls);
  for (int i = 0; i < n; ++i) {
    // a dependent coordinate has no part in other ones, and moves only where it falls
    const V inverse = load<V>(tile.inverse + i * L), rest = load<V>(z + i * L);
    const V soft = rest > least ? rest * fill<V>(1 / kExactSoftPivot) : zero;
    store(z + i * L, inverse > zero ? rest * inverse : soft);
  }
  const Index row = tile.stride * L;
  int j = n - 1;
  for (; j > 0; j -= 2) {
    const double *const last = tile.factor + j * row, *const before = last - row;
    const V x = load<V>(z + j * L);
    const V y = load<V>(z + (j - 1) * L) - load<V>(last + (j - 1) * L) * x;
    store(z + (j - 1) * L, y);
    for (int i = 0; i < j - 1; ++i)
      store(z + i * L,
            (load<V>(z + i * L) - load<V>(last + i * L) * x) - load<V>(before + i * L) * y);
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
