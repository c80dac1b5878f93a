// Adaptive coordinate sweeps: each row is swept until its steps have become small beside
// those of its first sweep, then stays as it is while the rest of its tile goes on.
// A row's arithmetic depends on nothing but the row.
#pragma once

#include "kernels/solve_interface.hpp"
#include "kernels/sweep.hpp"

namespace nonneg::NONNEG_ISA {

// Where the rows of a tile stand. Masks are numbers, 1 while a row is still being swept.
template <class T, int R> struct TileState {
  Vec<T> alive[R], first[R], squares[R], decrease[R];
};

// One sweep over a turned tile. The first one moves all rows, and adds for each
// coordinate the squares of the projected gradient (just before the step) and of the
// right-hand side to `lanes`: k vectors of each, in float64, where they can neither
// overflow nor vanish.
template <class T, int R, bool first>
static void adaptive_sweep(const Sweep<T> &s, T *a, const T *p, TileState<T, R> &state,
                           double *lanes) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, B = R * L;
  using D = typename VectorOf<double, L>::type;
  const V zero = fill<V>(T(0));
  const int k = s.k;
  unroll<R>([&](auto v) NONNEG_LAMBDA { state.squares[v] = zero; });
  for (int c = 0; c < k; ++c) {
    const int t = static_cast<int>(s.order[c]);
    const T *g = s.gram + static_cast<Index>(t) * k;
    const V l1 = fill<V>(s.l1[t]);
    V even[R], odd[R];
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      even[v] = l1 - load<V>(p + t * B + v * L);
      odd[v] = zero;
    });
    if constexpr (first) {
      D linear = load<D>(lanes + (k + t) * L);
      unroll<R>([&](auto v) NONNEG_LAMBDA {
        const D wide = __builtin_convertvector(even[v], D);
        linear += wide * wide;
      });
      store(lanes + (k + t) * L, linear);
    }
    int r = 0;
    for (; r + 1 < k; r += 2) {
      const V g0 = fill<V>(g[r]), g1 = fill<V>(g[r + 1]);
      unroll<R>([&](auto v) NONNEG_LAMBDA {
        even[v] += g0 * load<V>(a + r * B + v * L);
        odd[v] += g1 * load<V>(a + (r + 1) * B + v * L);
      });
    }
    if (r < k) {
      const V g0 = fill<V>(g[r]);
      unroll<R>([&](auto v) NONNEG_LAMBDA { even[v] += g0 * load<V>(a + r * B + v * L); });
    }
    const V inverse = fill<V>(s.inverse[t]), half = fill<V>(g[t] / 2);
    D projected_square = fill<D>(0.0);
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      const V gradient = even[v] + odd[v];
      const V old = load<V>(a + t * B + v * L);
      V moved = old - gradient * inverse;
      moved = moved > zero ? moved : zero;
      if constexpr (first) {
        const V clipped = gradient < zero ? gradient : zero;
        const V projected = old > zero ? gradient : clipped;
        const D wide = __builtin_convertvector(projected, D);
        projected_square += wide * wide;
      } else {
        moved = state.alive[v] > zero ? moved : old;
      }
      // without curvature the coordinate stays: the inverse is zero
      const V step = moved - old;
      state.squares[v] += step * step;
      state.decrease[v] -= step * (gradient + half * step);
      store(a + t * B + v * L, moved);
    });
    if constexpr (first)
      store(lanes + t * L, load<D>(lanes + t * L) + projected_square);
  }
}

// Sweeps a turned tile of R vectors of rows, n of them real.
template <class T, int R>
static void adaptive_tile(const Solve<T> &solve, T *a, const T *p, Index n, SolveSums &sums,
                          double *lanes) {
  using V = Vec<T>;
  const V zero = fill<V>(T(0)), one = fill<V>(T(1));
  TileState<T, R> state;
  unroll<R>([&](auto v) NONNEG_LAMBDA { state.decrease[v] = zero; });
  adaptive_sweep<T, R, true>(solve.sweep, a, p, state, lanes);
  sums.sweeps += static_cast<double>(n);
  V settled = fill<V>(solve.settled), count = zero;
  unroll<R>([&](auto v) NONNEG_LAMBDA {
    state.first[v] = state.squares[v] * settled;
    state.alive[v] = state.squares[v] > zero ? one : zero;
  });
  for (int number = 1; number < solve.most; ++number) {
    V rest = zero;
    unroll<R>([&](auto v) NONNEG_LAMBDA { rest += state.alive[v]; });
    if (sum_lanes<T>(rest) == 0)
      break;
    count += rest;
    adaptive_sweep<T, R, false>(solve.sweep, a, p, state, lanes);
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      state.alive[v] = state.squares[v] > state.first[v] ? state.alive[v] : zero;
    });
  }
  sums.sweeps += sum_lanes<T>(count);
  unroll<R>([&](auto v) NONNEG_LAMBDA { sums.decrease += sum_lanes<T>(state.decrease[v]); });
}

// <p, a> over a turned tile.
template <class T> NONNEG_INLINE double tile_cross(const T *a, const T *p, Index numbers) {
  constexpr int L = kLanes<T>;
  using W = typename VectorOf<double, L>::type;
  W total = fill<W>(0.0);
  for (Index i = 0; i < numbers; i += L)
    total += __builtin_convertvector(load<Vec<T>>(p + i), W) *
             __builtin_convertvector(load<Vec<T>>(a + i), W);
  return sum_lanes<double>(total);
}

template <class T, int R>
NONNEG_INLINE void adaptive_some(const Solve<T> &solve, const RowArrays<T> &rows,
                                 MatrixView<const T> P, Index first, Index n,
                                 SolveSums &sums, double *lanes, T *scratch) {
  constexpr int B = R * kLanes<T>;
  const int k = solve.sweep.k;
  T *a = scratch, *p = scratch + static_cast<Index>(k) * B;
  load_tile(rows.start.data + first * rows.start.stride, rows.start.stride, n, k, a, B);
  load_tile(P.data + first * P.stride, P.stride, n, k, p, B);
  adaptive_tile<T, R>(solve, a, p, n, sums, lanes);
  if (solve.wants_cross)
    sums.cross += tile_cross(a, p, static_cast<Index>(k) * B);
  store_tile(a, B, n, k, rows.solved.data + first * rows.solved.stride,
             rows.solved.stride);
}

// Numbers of scratch that adaptive_rows needs.
template <class T> NONNEG_INLINE size_t adaptive_scratch(int k) {
  return sweep_scratch<T>(k) +
         2 * static_cast<size_t>(k) * kLanes<T> * sizeof(double) / sizeof(T);
}

// measures: 2 k sums over the rows, of squared projected gradients and right-hand sides;
// or null.
template <class T>
static void adaptive_rows(const Solve<T> &solve, const RowArrays<T> &rows,
                          MatrixView<const T> P, SolveSums &sums, double *measures,
                          T *scratch) {
  constexpr int B = kTileRows<T>, L = kLanes<T>;
  const int k = solve.sweep.k;
  double *lanes = reinterpret_cast<double *>(scratch + sweep_scratch<T>(k));
  for (int i = 0; i < 2 * k * L; ++i)
    lanes[i] = 0;
  const Index n_rows = rows.solved.rows;
  Index i = 0;
  for (; i + B <= n_rows; i += B)
    adaptive_some<T, kTileVectors>(solve, rows, P, i, B, sums, lanes, scratch);
  if (constexpr Index H = 2 * L; i + H <= n_rows) {
    adaptive_some<T, 2>(solve, rows, P, i, H, sums, lanes, scratch);
    i += H;
  }
  for (; i < n_rows; i += L)
    adaptive_some<T, 1>(solve, rows, P, i, smaller<Index>(L, n_rows - i), sums, lanes,
                        scratch);
  for (int t = 0; measures && t < 2 * k; ++t)
    measures[t] += sum_lanes<double>(
        load<typename VectorOf<double, L>::type>(lanes + t * L));
  // the zero rows that fill the last tile have right-hand sides of -l1
  const double missing = static_cast<double>(i - n_rows);
  for (int t = 0; measures && missing > 0 && t < k; ++t)
    measures[k + t] -= missing * static_cast<double>(solve.sweep.l1[t]) *
                       static_cast<double>(solve.sweep.l1[t]);
}

} // namespace nonneg::NONNEG_ISA
