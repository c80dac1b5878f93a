// Coordinate sweep with rows in SIMD lanes, one vector per coordinate, so that neither the dot
// products over k nor the clipping need a reduction.
#pragma once

#include "kernels/lane_tiles.hpp"
#include "kernels/simd.hpp"
#include "kernels/solve_interface.hpp"

namespace nonneg::NONNEG_ISA {

// A member function of the steps of a sweep.
#define NONNEG_STEP __attribute__((always_inline)) inline

// Coordinates whose gradients are made together, so that each vector of the tile is loaded
// once for all of them: with kTileVectors, as many sums as registers hold. One coordinate at a
// time waits for loads (D-CORE-SWEEP-BLOCK).
constexpr int kTogetherSwept = NONNEG_VECTOR_BYTES == 64 ? 4 : 2;

// Steps along C coordinates, the first-th and those after it in the order of visits. Their
// gradients at the tile as it is come first; then each step corrects those behind it.
// step(t, v, gradient, old) returns where vector v of coordinate t moves.
template <class T, int R, int C, class F>
NONNEG_INLINE void sweep_coordinates(const Sweep<T> &s, int first, T *a, const T *p, F &step) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, B = R * L;
  const int k = s.k;
  Index t[C];
  const T *g[C];
  V gradient[C * R];
  unroll<C>([&](auto c) NONNEG_LAMBDA {
    t[c] = static_cast<Index>(s.order[first + c]);
    g[c] = s.gram + t[c] * k;
    const V l1 = fill<V>(s.l1[t[c]]);
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      gradient[c * R + v] = l1 - load<V>(p + t[c] * B + v * L);
    });
    step.begin(t[c], gradient + c * R);
  });
  const auto add = [&](int r) NONNEG_LAMBDA {
    V x[R];
    unroll<R>([&](auto v) NONNEG_LAMBDA { x[v] = load<V>(a + r * B + v * L); });
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      const V entry = fill<V>(g[c][r]);
      unroll<R>([&](auto v) NONNEG_LAMBDA { gradient[c * R + v] += entry * x[v]; });
    });
  };
  // the coordinates that moved last come last, when their steps are done
  for (int r = first; r < k; ++r)
    add(r);
  for (int r = 0; r < first; ++r)
    add(r);
  unroll<C>([&](auto c) NONNEG_LAMBDA {
    constexpr int now = decltype(c)::value;
    V moved[R];
    unroll<R>([&](auto v) NONNEG_LAMBDA {
      const V old = load<V>(a + t[c] * B + v * L);
      const V next = step(t[c], v, gradient[c * R + v], old);
      store(a + t[c] * B + v * L, next);
      moved[v] = next - old;
    });
    step.end(t[c]);
    unroll<C - 1 - now>([&](auto later) NONNEG_LAMBDA {
      constexpr int behind = now + 1 + decltype(later)::value;
      const V entry = fill<V>(g[behind][t[c]]);
      unroll<R>([&](auto v) NONNEG_LAMBDA { gradient[behind * R + v] += entry * moved[v]; });
    });
  });
}

// One visit to each coordinate of a turned tile of R vectors of rows. A row's arithmetic
// does not depend on R.
template <class T, int R, class F>
NONNEG_INLINE void visit_coordinates(const Sweep<T> &s, T *a, const T *p, F &step) {
  constexpr int C = kTogetherSwept;
  int c = 0;
  for (; c + C <= s.k; c += C)
    sweep_coordinates<T, R, C>(s, c, a, p, step);
  switch (s.k - c) {
  case 1: sweep_coordinates<T, R, 1>(s, c, a, p, step); break;
  case 2: sweep_coordinates<T, R, (C > 2 ? 2 : 1)>(s, c, a, p, step); break;
  case 3: sweep_coordinates<T, R, (C > 3 ? 3 : 1)>(s, c, a, p, step); break;
  }
}

// <p, a> over a turned tile.
template <class T> NONNEG_INLINE double tile_cross(const T *a, const T *p, Index numbers) {
  constexpr int L = kLanes<T>;
  Wide<T> total = wide_zero<T>();
  for (Index i = 0; i < numbers; i += L)
    total += widened<T>(load<Vec<T>>(p + i)) * widened<T>(load<Vec<T>>(a + i));
  return sum_wide<T>(total);
}

// Steps of a cyclic sweep, and the sum of |projected gradient|.
template <class T, int R> struct CyclicStep {
  using V = Vec<T>;
  const Sweep<T> &s;
  V violation[R];

  NONNEG_STEP void begin(Index, const V *) {}
  NONNEG_STEP V operator()(Index t, int v, V gradient, V old) {
    const V zero = fill<V>(T(0));
    const V clipped = gradient < zero ? gradient : zero;
    const V projected = old > zero ? gradient : clipped;
    violation[v] += projected < zero ? -projected : projected;
    const V moved = old - gradient * fill<V>(s.inverse[t]);
    return s.inverse[t] > 0 ? (moved > zero ? moved : zero) : old;
  }
  NONNEG_STEP void end(Index) {}
};

// Sweeps a turned tile of R vectors of rows.
template <class T, int R>
static void sweep_tile(const Sweep<T> &s, T *a, const T *p, SolveSums &sums) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, B = R * L;
  CyclicStep<T, R> step{s, {}};
  unroll<R>([&](auto v) NONNEG_LAMBDA { step.violation[v] = fill<V>(T(0)); });
  visit_coordinates<T, R>(s, a, p, step);
  Wide<T> violation = wide_zero<T>();
  unroll<R>([&](auto v) NONNEG_LAMBDA { violation += widened<T>(step.violation[v]); });
  sums.violation += sum_wide<T>(violation);
  sums.cross += tile_cross(a, p, static_cast<Index>(s.k) * B);
}

// Numbers of scratch that sweep_rows needs.
template <class T> NONNEG_INLINE size_t sweep_scratch(int k) {
  return 2 * static_cast<size_t>(k) * kTileRows<T>;
}

template <class T, int R>
NONNEG_INLINE void sweep_some(const Sweep<T> &s, MatrixView<T> A, MatrixView<const T> P,
                              Index first, Index n, SolveSums &sums, T *scratch) {
  constexpr int B = R * kLanes<T>;
  T *a = scratch, *p = scratch + static_cast<Index>(s.k) * B;
  load_tile(A.data + first * A.stride, A.stride, n, s.k, a, B);
  load_tile(P.data + first * P.stride, P.stride, n, s.k, p, B);
  sweep_tile<T, R>(s, a, p, sums);
  store_tile(a, B, n, s.k, A.data + first * A.stride, A.stride);
}

template <class T>
static void sweep_rows(const Sweep<T> &s, MatrixView<T> A, MatrixView<const T> P,
                       SolveSums &sums, T *scratch) {
  for_tiles<T>(A.rows, [&](auto vectors, Index first, Index n) NONNEG_LAMBDA {
    sweep_some<T, decltype(vectors)::value>(s, A, P, first, n, sums, scratch);
  });
}

} // namespace nonneg::NONNEG_ISA
