// Adaptive coordinate sweeps: each row is swept until its steps have become small beside
// those of its first sweep, or until it is at its minimum; then it stays as it is while the
// rest of its tile goes on.
// A row's arithmetic depends on nothing but the row.
#pragma once

#include "kernels/solve_interface.hpp"
#include "kernels/sweep.hpp"

namespace nonneg::NONNEG_ISA {

// Where the rows of a tile stand. Masks are numbers, 1 while a row is still being swept.
template <class T, int R> struct TileState {
  Vec<T> alive[R], first[R], squares[R], decrease[R];
};

// An entry that falls below this share of itself is zero but for rounding.
template <class T> constexpr T kVanishing = sizeof(T) == 4 ? T(1e-6) : T(1e-15);

// Steps of a sweep over a turned tile. Those of the first one move all rows, and add for
// each coordinate the squares of the projected gradient (just before the step) and of the
// right-hand side to `lanes`: k vectors of each, in float64, where they can neither
// overflow nor vanish.
template <class T, int R, bool first> struct AdaptiveStep {
  using V = Vec<T>;
  static constexpr int L = kLanes<T>;
  const Sweep<T> &s;
  TileState<T, R> &state;
  double *lanes;
  Wide<T> projected_square;

  NONNEG_STEP void begin(Index t, const V *linear) {
    if constexpr (first) {
      Wide<T> sum = load_wide<T>(lanes + (s.k + t) * L);
      unroll<R>([&](auto v) NONNEG_LAMBDA {
        const Wide<T> wide = widened<T>(linear[v]);
        sum += wide * wide;
      });
      store_wide<T>(lanes + (s.k + t) * L, sum);
      projected_square = wide_zero<T>();
    }
  }
  NONNEG_STEP V operator()(Index t, int v, V gradient, V old) {
    const V zero = fill<V>(T(0)), half = fill<V>(s.gram[t * s.k + t] / 2);
    V moved = old - gradient * fill<V>(s.inverse[t]);
    moved = moved > fill<V>(kVanishing<T>) * old ? moved : zero;
    // without curvature only a penalty can pull, all the way; else the coordinate stays
    if (!(s.inverse[t] > 0))
      moved = gradient > zero ? zero : old;
    if constexpr (first) {
      const V clipped = gradient < zero ? gradient : zero;
      const V projected = old > zero ? gradient : clipped;
      const Wide<T> wide = widened<T>(projected);
      projected_square += wide * wide;
    } else {
      moved = state.alive[v] > zero ? moved : old;
    }
    const V step = moved - old;
    state.squares[v] += step * step;
    state.decrease[v] -= step * (gradient + half * step);
    return moved;
  }
  NONNEG_STEP void end(Index t) {
    if constexpr (first) {
      store_wide<T>(lanes + t * L, load_wide<T>(lanes + t * L) + projected_square);
      projected_square = wide_zero<T>();
    }
  }
};

template <class T, int R, bool first>
NONNEG_INLINE void adaptive_sweep(const Sweep<T> &s, T *a, const T *p, TileState<T, R> &state,
                                  double *lanes) {
  unroll<R>([&](auto v) NONNEG_LAMBDA { state.squares[v] = fill<Vec<T>>(T(0)); });
  AdaptiveStep<T, R, first> step{s, state, lanes, {}};
  visit_coordinates<T, R>(s, a, p, step);
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
    if (!is_any_positive<T>(rest))
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
  constexpr int L = kLanes<T>;
  const int k = solve.sweep.k;
  double *lanes = reinterpret_cast<double *>(scratch + sweep_scratch<T>(k));
  for (int i = 0; i < 2 * k * L; ++i)
    lanes[i] = 0;
  const Index n_rows = rows.solved.rows;
  const Index i = for_tiles<T>(n_rows, [&](auto vectors, Index first, Index n) NONNEG_LAMBDA {
    adaptive_some<T, decltype(vectors)::value>(solve, rows, P, first, n, sums, lanes, scratch);
  });
  for (int t = 0; measures && t < 2 * k; ++t)
    measures[t] += sum_wide<T>(load_wide<T>(lanes + t * L));
  // the zero rows that fill the last tile have right-hand sides of -l1
  const double missing = static_cast<double>(i - n_rows);
  for (int t = 0; measures && missing > 0 && t < k; ++t)
    measures[k + t] -= missing * static_cast<double>(solve.sweep.l1[t]) *
                       static_cast<double>(solve.sweep.l1[t]);
}

// ---- sweeps until a row is at its minimum ----------------------------------------------

// A row is at its minimum when a sweep moves it by at most this share of its norm: where
// sweeps shrink their steps by half, no more than that is to come.
template <class T> constexpr T kSettledShare = sizeof(T) == 4 ? T(1e-6) : T(2e-15);
// A row whose squared steps shrink by this factor from sweep to sweep goes on, to this many
// sweeps: eight in float64, which needs many, cost as much as to factor a passive set
// (D-CORE-EXACT-SWEEPS). Any row goes on where two more would end it.
constexpr double kContraction = 0.125;
template <class T> constexpr int kMostContracting = sizeof(T) == 4 ? 32 : 3;
constexpr int kMostSettling = 32;

// Sweeps a turned tile of R vectors of rows; settled[i] is set to 1 for those of its n rows
// that end at their minimum, and 0 for the others.
template <class T, int R>
static void settle_tile(const Solve<T> &solve, T *a, const T *p, Index n, unsigned char *settled) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, B = R * L;
  const V zero = fill<V>(T(0)), one = fill<V>(T(1));
  const V contraction = fill<V>(T(kContraction));
  TileState<T, R> state;
  V before[R], least[R], ended[R];
  unroll<R>([&](auto v) NONNEG_LAMBDA {
    state.decrease[v] = ended[v] = least[v] = zero;
    state.alive[v] = one;
    before[v] = fill<V>(T(1) / T(0));
  });
  for (int number = 1; number <= larger(solve.most, kMostSettling); ++number) {
    adaptive_sweep<T, R, false>(solve.sweep, a, p, state, nullptr);
    if (number == 1) {
      for (int t = 0; t < solve.sweep.k; ++t)
        unroll<R>([&](auto v) NONNEG_LAMBDA {
          const V x = load<V>(a + t * B + v * L);
          least[v] += x * x;
        });
      unroll<R>([&](auto v) NONNEG_LAMBDA {
        least[v] *= fill<V>(kSettledShare<T> * kSettledShare<T>);
        state.first[v] = state.squares[v] * fill<V>(solve.settled);
      });
    }
    V rest = zero;
    const V more = number < solve.most ? one : zero;
    const V still = number < kMostContracting<T> ? contraction : zero;
    const V soon = number < kMostSettling ? one : more;
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      const V squares = state.squares[v];
      const V done = squares <= least[v] ? state.alive[v] : zero;
      const V far = squares > state.first[v] ? more : zero;
      const V rate = squares / before[v];
      const V ends = squares * (rate * rate) <= least[v] ? soon : far;
      const V goes_on = squares <= still * before[v] ? one : ends;
      ended[v] += done;
      state.alive[v] = done > zero ? zero : state.alive[v] * goes_on;
      before[v] = squares;
      rest += state.alive[v];
    });
    if (!is_any_positive<T>(rest))
      break;
  }
  // what is left of an entry on its way to zero
  for (int t = 0; t < solve.sweep.k; ++t)
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      const V x = load<V>(a + t * B + v * L);
      const V kept = x * x > least[v] ? x : zero;
      store(a + t * B + v * L, ended[v] > zero ? kept : x);
    });
  alignas(64) T flags[B];
  unroll<R>([&](auto v) NONNEG_LAMBDA { store(flags + v * L, ended[v]); });
  for (Index i = 0; i < n; ++i)
    settled[i] = flags[i] > 0;
}

} // namespace nonneg::NONNEG_ISA
