// Newton steps for rows of few entries: a row in each lane, so that sums over a row's entries
// need no folding and a short row no filling up. A row's arithmetic depends on its own entries
// alone: where its neighbours are longer, it gets entries of 0. Rows of a dense X share numbers
// of H, which are then spread over the lanes as they are met.
#pragma once

#include "kernels/newton_rows.hpp"

namespace nonneg::NONNEG_ISA {

// kLanes rows, each of n entries: p-th entry of row r at x[p * L + r], its number of component t at
// h[t * component_stride + p * L + r], or for all rows at h[t * component_stride + p] if `shared`.
template <class T, bool shared> struct LaneGroup {
  const T *h;
  Index component_stride;
  T *x, *y, *w; // w: k vectors
  Index n;
  int rows;          // in use; the lanes behind them are 0
  const Index *filled;
  StepScratch<T> step;
  T *apart; // scratch for one row: its x, y, w and h, unless shared, one after the other

  // Numbers of component t for the p-th entries.
  NONNEG_INLINE Vec<T> numbers(const T *component, Index p) {
    if constexpr (shared)
      return fill<Vec<T>>(component[p]);
    else
      return load<Vec<T>>(component + p * kLanes<T>);
  }
  const T *component(int t) const { return h + t * component_stride; }
};

// y += d * (component `before`), and the sums of x h/y and x (h/y)^2 and the largest h/y of
// component t. Apart from its callers, whose many variables would push its own into memory.
template <class T, bool shared>
static __attribute__((noinline)) void lane_terms(const LaneGroup<T, shared> &g, int before,
                                                 Vec<T> d, int t, Vec<T> floor, T unit, Vec<T> &sum,
                                                 Vec<T> &squares, Vec<T> &largest) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const T *const old = g.component(before), *const h = g.component(t), *const all_x = g.x;
  T *const all_y = g.y;
  const Index n = g.n;
  const V zero = fill<V>(T(0));
  V first = zero, second = zero, most = zero; // in registers
  for (Index p = 0; p < n; ++p) {
    const V y = load<V>(all_y + p * L) + d * g.numbers(old, p);
    store(all_y + p * L, y);
    const V z = g.numbers(h, p) * inverse_of(y > floor ? y : floor, unit);
    const V x = load<V>(all_x + p * L), xz = x * z;
    V present = z; // of a sparse X, h is 0 where x is
    if constexpr (shared)
      present = x > zero ? z : zero;
    most = most > present ? most : present;
    first += xz;
    second += xz * z;
  }
  sum = first;
  squares = second;
  largest = most;
}

// M lanes of a vector as doubles, and a vector whose parts they are.
template <int part, class V, size_t... I>
NONNEG_INLINE Vec<double> wide_part(V v, std::index_sequence<I...>) {
  const auto some = __builtin_shufflevector(v, v, static_cast<int>(part * kLanes<double> + I)...);
  return __builtin_convertvector(some, Vec<double>);
}
template <int part, class V> NONNEG_INLINE Vec<double> wide_part(V v) {
  return wide_part<part>(v, std::make_index_sequence<kLanes<double>>{});
}
template <class V, class N, size_t... I>
NONNEG_INLINE V joined(N low, N high, std::index_sequence<I...>) {
  return __builtin_shufflevector(low, high, static_cast<int>(I)...);
}

template <class T, bool shared>
static void lane_sweep(const Newton<T> &options, const LaneGroup<T, shared> &g,
                       const NewtonRows<T, kLanes<T>> &rows, double *violation, double *slack) {
  using V = Vec<T>;
  // doubles by whole vectors: the compiler keeps wider ones in memory
  constexpr int L = kLanes<T>, M = kLanes<double>, Parts = L / M;
  using D = Vec<double>;
  SweepLanes<M> lanes[Parts];
  for (int part = 0; part < Parts; ++part)
    lanes[part] = SweepLanes<M>::begin(load<D>(rows.total + part * M), load<D>(rows.alive + part * M));
  const V floor = fill<V>(options.floor);
  V d = fill<V>(T(0)), sum, squares, largest;
  for (int t = 0; t < options.k; ++t) {
    lane_terms(g, t > 0 ? t - 1 : 0, d, t, floor, options.unit, sum, squares, largest);
    const V w = load<V>(g.w + t * L);
    typename VectorOf<T, M>::type parts[Parts];
    unroll<Parts>([&](auto part) NONNEG_LAMBDA {
      constexpr int i = decltype(part)::value;
      const D moved = newton_entry<T, M>(options, t, lanes[i], wide_part<i>(w), wide_part<i>(sum),
                                         wide_part<i>(squares), wide_part<i>(largest));
      parts[i] = __builtin_convertvector(moved, typename VectorOf<T, M>::type);
    });
    const V narrow = joined<V>(parts[0], parts[Parts - 1], std::make_index_sequence<L>{});
    d = narrow - w;
    store(g.w + t * L, narrow);
  }
  const T *const last = g.component(options.k - 1);
  for (Index p = 0; p < g.n; ++p)
    store(g.y + p * L, load<V>(g.y + p * L) + d * g.numbers(last, p));
  for (int part = 0; part < Parts; ++part) {
    store(violation + part * M, lanes[part].violation);
    store(slack + part * M, lanes[part].slack());
  }
}

// y = W H from the start, of N entries from the p-th on.
template <int N, class T, bool shared>
NONNEG_INLINE void lane_products(const Newton<T> &options, const LaneGroup<T, shared> &g, Index p) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V y[N];
  unroll<N>([&](auto i) NONNEG_LAMBDA { y[i] = fill<V>(T(0)); });
  for (int t = 0; t < options.k; ++t) {
    const V w = load<V>(g.w + t * L);
    const T *const h = g.component(t);
    unroll<N>([&](auto i) NONNEG_LAMBDA { y[i] += w * g.numbers(h, p + i); });
  }
  unroll<N>([&](auto i) NONNEG_LAMBDA { store(g.y + (p + i) * L, y[i]); });
}

template <class T, bool shared>
static void lane_start(const Newton<T> &options, const LaneGroup<T, shared> &g) {
  Index p = 0;
  for (; p + 8 <= g.n; p += 8)
    lane_products<8>(options, g, p);
  for (; p + 2 <= g.n; p += 2)
    lane_products<2>(options, g, p);
  for (; p < g.n; ++p)
    lane_products<1>(options, g, p);
}

// Goes on with the row in a lane by steps over all its entries; the sweeps that are left.
template <class T, bool shared>
static int lane_steps(const Newton<T> &options, const LaneGroup<T, shared> &g,
                      NewtonRows<T, kLanes<T>> &rows, int lane, int left) {
  constexpr int L = kLanes<T>;
  const int k = options.k;
  const Index n = (g.filled[lane] + L - 1) / L * L;
  T *const x = g.apart, *const y = x + n, *const w = y + n, *const h = w + padded<T>(k);
  for (Index p = 0; p < n; ++p) {
    const bool is_there = p < g.filled[lane];
    for (int t = 0; t < k && !shared; ++t)
      h[t * n + p] = is_there ? g.component(t)[p * L + lane] : T(0);
    x[p] = is_there ? g.x[p * L + lane] : T(0);
    y[p] = is_there ? g.y[p * L + lane] : T(1);
  }
  for (int t = 0; t < k; ++t)
    w[t] = g.w[t * L + lane];
  const NewtonGroup<T> one{shared ? g.h : h, shared ? g.component_stride : n, n, x, y, g.step};
  NewtonRows<T, 1> row{w, {rows.total[lane]}, {1}};
  left = newton_steps<T, 1>(options, one, row, 0, left);
  for (int t = 0; t < k; ++t)
    g.w[t * L + lane] = w[t];
  for (Index p = 0; p < g.filled[lane]; ++p)
    g.y[p * L + lane] = y[p];
  rows.alive[lane] = row.alive[0];
  return left;
}

// Solves for the rows of a group.
template <class T, bool shared>
static void lane_rows(const Newton<T> &options, const LaneGroup<T, shared> &g, NewtonSums &sums) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  constexpr int M = kLanes<double>, Parts = L / M;
  NewtonRows<T, L> rows;
  rows.w = g.w;
  Vec<double> total[Parts];
  unroll<Parts>([&](auto part) NONNEG_LAMBDA { total[part] = fill<Vec<double>>(0.0); });
  for (Index p = 0; p < g.n * L; p += L) {
    const V x = load<V>(g.x + p);
    unroll<Parts>([&](auto part) NONNEG_LAMBDA {
      total[part] += wide_part<decltype(part)::value>(x);
    });
  }
  unroll<Parts>([&](auto part) NONNEG_LAMBDA { store(rows.total + part * M, total[part]); });
  for (int r = 0; r < L; ++r)
    rows.alive[r] = r < g.rows;
  newton_scale<T, L>(options, rows);
  lane_start(options, g);
  alignas(64) double violation[L], slack[L];
  for (int number = 0; number < options.sweeps; ++number) {
    int alive = 0;
    for (int r = 0; r < g.rows; ++r)
      alive += rows.alive[r] > 0;
    if (alive == 0)
      break;
    sums.sweeps += alive;
    lane_sweep(options, g, rows, violation, slack);
    for (int r = 0; r < g.rows; ++r) {
      if (number == 0)
        sums.residual += violation[r];
      if (slack[r] <= options.tolerance * rows.total[r])
        rows.alive[r] = 0;
      else if (options.tolerance > 0 && number + 1 == kSweepsBefore) {
        const int left = options.sweeps - number - 1;
        sums.sweeps += left - lane_steps(options, g, rows, r, left);
      }
    }
  }
  for (int r = 0; r < g.rows; ++r)
    sums.unfinished += rows.alive[r];
  if (options.wants_value)
    sums.value += newton_value(g.x, g.y, g.n * L, options.floor);
}

} // namespace nonneg::NONNEG_ISA
