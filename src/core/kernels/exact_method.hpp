// The exact solve as a method of a half-step: with the measures of the rows before it.
#pragma once

#include "kernels/adaptive_sweeps.hpp"
#include "kernels/block_scratch.hpp"
#include "kernels/pivoting.hpp"
#include "kernels/row_arrays.hpp"

namespace nonneg::NONNEG_ISA {

template <class T> NONNEG_INLINE size_t exact_method_scratch(int k) {
  return rounded(sizeof(T) * adaptive_scratch<T>(k)) + exact_scratch(k);
}

// Adds to `lanes`, k vectors of each, the squares of the projected gradient and of the
// right-hand side, of N vectors of rows of a turned tile whose rows are B numbers apart; and
// to `value` their objective. All in float64. Rows of 0 have no `used` coordinates, others k.
template <int N, int C, class T>
NONNEG_INLINE void measure_coordinates(const Exact &e, int used, int first, const T *a, const T *p, int B,
                                       double *lanes, Vec<double> &value) {
  constexpr int L = kLanes<double>;
  using D = Vec<double>;
  const D zero = fill<D>(0.0), half = fill<D>(0.5);
  const auto wide = [&](const T *x) NONNEG_LAMBDA {
    return __builtin_convertvector(load<typename VectorOf<T, L>::type>(x), D);
  };
  D gradient[C * N];
  unroll<C * N>([&](auto i) NONNEG_LAMBDA { gradient[i] = zero; });
  for (int r = 0; r < used; ++r) {
    D x[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { x[v] = wide(a + r * B + v * L); });
    unroll<C>([&](auto c) NONNEG_LAMBDA {
      const D entry = fill<D>(e.gram[(first + c) * e.k + r]);
      unroll<N>([&](auto v) NONNEG_LAMBDA { gradient[c * N + v] += entry * x[v]; });
    });
  }
  unroll<C>([&](auto c) NONNEG_LAMBDA {
    const int t = first + c;
    D projected_square = load<D>(lanes + t * L), square = load<D>(lanes + (e.k + t) * L);
    unroll<N>([&](auto v) NONNEG_LAMBDA {
      const D linear = wide(p + t * B + v * L) - fill<D>(e.l1[t]);
      const D x = wide(a + t * B + v * L), slope = gradient[c * N + v] - linear;
      const D clipped = slope < zero ? slope : zero;
      const D projected = x > zero ? slope : clipped;
      projected_square += projected * projected;
      square += linear * linear;
      value += half * x * (slope - linear);
    });
    store(lanes + t * L, projected_square);
    store(lanes + (e.k + t) * L, square);
  });
}

// Sums over the rows that an exact solve starts from.
template <class T> struct StartMeasures {
  const Exact &e;
  double *lanes; // 2 k vectors
  Vec<double> value;

  StartMeasures(const Exact &exact, double *numbers)
      : e(exact), lanes(numbers), value(fill<Vec<double>>(0.0)) {
    for (int i = 0; i < 2 * e.k * kLanes<double>; ++i)
      lanes[i] = 0;
  }

  // A turned tile of B rows, n of them real.
  template <int B> NONNEG_STEP void add(const T *a, const T *p, Index n) {
    constexpr int L = kLanes<double>, N = B / L < 4 ? B / L : 4, C = kTogetherSwept;
    const Vec<T> zero = fill<Vec<T>>(T(0));
    auto positive = zero > zero;
    for (Index i = 0; i < static_cast<Index>(e.k) * B; i += kLanes<T>)
      positive |= load<Vec<T>>(a + i) > zero;
    const int used = sum_lanes<double>(positive) < 0 ? e.k : 0;
    for (int g = 0; g < B; g += N * L) {
      int t = 0;
      for (; t + C <= e.k; t += C)
        measure_coordinates<N, C>(e, used, t, a + g, p + g, B, lanes, value);
      for (; t < e.k; ++t)
        measure_coordinates<N, 1>(e, used, t, a + g, p + g, B, lanes, value);
    }
    // the zero rows that fill the tile have right-hand sides of -l1
    for (int t = 0; n < B && t < e.k; ++t) {
      const double square = static_cast<double>(B - n) * e.l1[t] * e.l1[t];
      lanes[t * L] -= e.l1[t] < 0 ? square : 0;
      lanes[(e.k + t) * L] -= square;
    }
  }

  // measures: 2 k sums over the rows.
  void add_up(double *measures, double &objective) const {
    constexpr int L = kLanes<double>;
    for (int t = 0; t < 2 * e.k; ++t)
      measures[t] += sum_lanes<double>(load<Vec<double>>(lanes + t * L));
    objective += sum_lanes<double>(value);
  }
};

template <class T, int R>
NONNEG_INLINE void settle_some(const Solve<T> &solve, const RowArrays<T> &rows,
                               MatrixView<const T> P, Index first, Index n,
                               StartMeasures<T> &start, unsigned char *settled, T *scratch) {
  constexpr int B = R * kLanes<T>;
  const int k = solve.sweep.k;
  T *a = scratch, *p = scratch + static_cast<Index>(k) * B;
  load_tile(rows.start.data + first * rows.start.stride, rows.start.stride, n, k, a, B);
  load_tile(P.data + first * P.stride, P.stride, n, k, p, B);
  if (!solve.unmeasured)
    start.template add<B>(a, p, n);
  settle_tile<T, R>(solve, a, p, n, settled);
  store_tile(a, B, n, k, rows.solved.data + first * rows.solved.stride, rows.solved.stride);
}

// Rows that are solved for at a time.
constexpr Index kSettledRows = 512;

// Sweeps come first. Rows for which they converge at once are done, as most rows are where
// the Gram matrix is well conditioned; the others are solved for by pivoting, which the sweeps
// have brought nearer to their passive sets (D-CORE-EXACT-SWEEPS).
template <class T>
static void exact_method(const Solve<T> &solve, const RowArrays<T> &all,
                         MatrixView<const T> right, SolveSums &sums, double *measures,
                         T *scratch) {
  const Exact &e = solve.exact;
  const int k = e.k;
  StartMeasures<T> start(e, reinterpret_cast<double *>(scratch + sweep_scratch<T>(k)));
  void *const pivoting = reinterpret_cast<char *>(scratch) + rounded(sizeof(T) * adaptive_scratch<T>(k));
  unsigned char settled[kSettledRows];
  // sweeps leave a coordinate without curvature where it was: pivoting makes it 0
  bool is_flat = false;
  for (int t = 0; t < k; ++t)
    is_flat |= !(e.gram[t * k + t] > 0);
  for (Index first = 0; first < all.solved.rows; first += kSettledRows) {
    const Index last = smaller(first + kSettledRows, all.solved.rows);
    const RowArrays<T> rows = block_of(all, first, last);
    const MatrixView<const T> P{right.data + first * right.stride, last - first, k, right.stride};
    for_tiles<T>(last - first, [&](auto vectors, Index i, Index n) NONNEG_LAMBDA {
      settle_some<T, decltype(vectors)::value>(solve, rows, P, i, n, start, settled + i, scratch);
    });
    for (Index i = 0; is_flat && i < rows.solved.rows; ++i)
      settled[i] = 0;
    ExactSums done;
    exact_rows(e, rows.solved, P, settled, done, pivoting);
    sums.sweeps += static_cast<double>(done.factorizations);
    // at the solution the gradient is orthogonal to the rows: the objective is
    // -1/2 <p - l1, a>
    for (Index i = 0; i < rows.solved.rows; ++i) {
      const T *a = rows.solved.data + i * rows.solved.stride, *p = P.data + i * P.stride;
      const double cross = inner_product(a, p, k);
      sums.cross += cross;
      sums.decrease += 0.5 * (cross - inner_product(a, e.l1, k));
    }
  }
  if (solve.unmeasured)
    sums.decrease = 0;
  else
    start.add_up(measures, sums.decrease);
}

} // namespace nonneg::NONNEG_ISA
