// Damped scalar Newton steps for the Kullback-Leibler divergence, row by row: each entry
// of a row of W in turn, y = W H kept up to date for the row's positive x.
//
// The columns of H that a row needs lie side by side for each component, so that sums over
// the row run along vectors; several rows go on together, to hide the latency of each
// entry's step behind the others'.
#pragma once

#include "kernels/beta_terms.hpp"
#include "kernels/elementary.hpp"
#include "kernels/newton_interface.hpp"
#include "kernels/newton_step.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Rows of a group, and the length from which a row is solved for alone
// (D-CORE-NEWTON-ROWS).
constexpr int kTogether = NONNEG_VECTOR_BYTES == 64 ? 8 : 4;
constexpr Index kLongRow = 4096 / kTogether;
// Columns of a dense X up to which a row lies in each lane: with half the first cache for x and W H.
constexpr Index kNarrow = 16384 / NONNEG_VECTOR_BYTES;
// Rows of a group whose terms are summed in one loop, as many as registers hold.
constexpr int kSummed = kTogether / 2;
// Vectors of terms of the objective that are added up before the sum goes on in double.
constexpr Index kSummedTogether = 64;
// A step d that lowers an entry is damped where the second derivative may grow on the way:
// with λ = |d| max h/y it is at most 1/(1 - λ)^2 times as large at the end. The full step
// does not raise the objective up to the λ at which λ^2 = -log(1 - λ) - λ, and the step
// d/(1 + λ) never does.
constexpr double kUndamped = 0.683802;

// R rows and the columns that they need: component t begins at h + t * component_stride.
template <class T> struct NewtonGroup {
  const T *h;
  Index component_stride;
  Index n; // columns, whole vectors; x and h are 0 and y is 1 in those that fill up
  T *x, *y; // R times n
  StepScratch<T> step;
};

// State of R rows in a solve: w has R numbers for each component.
template <class T, int R> struct NewtonRows {
  T *w;
  double total[R]; // sum of x
  double alive[R]; // 1 while the row goes on
};

// The sums, or the largest lanes, of N vectors.
template <class T, int N, bool largest>
NONNEG_INLINE void fold_vectors(const Vec<T> *v, double *out) {
  constexpr int L = kLanes<T>, Rounds = (N + L - 1) / L;
  unroll<Rounds>([&](auto round) NONNEG_LAMBDA {
    constexpr int first = decltype(round)::value * L;
    Vec<T> part[L];
    unroll<L>([&](auto i) NONNEG_LAMBDA {
      constexpr int lane = first + decltype(i)::value;
      part[i] = lane < N ? v[lane < N ? lane : 0] : fill<Vec<T>>(T(0));
    });
    alignas(64) T folded[L];
    if constexpr (largest)
      store(folded, largest_of<L>(part));
    else
      store(folded, sums_of<L>(part));
    for (int i = 0; i < L && first + i < N; ++i)
      out[first + i] = static_cast<double>(folded[i]);
  });
}

// Terms of a component for each of R rows: the sums of x h/y and x (h/y)^2, the largest h/y.
template <int R> struct NewtonTerms {
  double sums[2 * R], largest[R];
};

// y += d * (component `before`), then the terms of component t, of N of the R rows from `first`.
template <class T, int R, int N>
NONNEG_INLINE void newton_terms_of(const NewtonGroup<T> &g, int first, int before, const T *d, int t,
                                   T floor, T unit, Vec<T> *both, Vec<T> *largest) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  V sums[N], squares[N], most[N], moved[N];
  T *y_of[N];
  const T *x_of[N];
  const V least = fill<V>(floor), zero = fill<V>(T(0));
  unroll<N>([&](auto r) NONNEG_LAMBDA {
    sums[r] = squares[r] = most[r] = zero;
    moved[r] = fill<V>(d[first + r]);
    y_of[r] = g.y + (first + r) * g.n;
    x_of[r] = g.x + (first + r) * g.n;
  });
  const T *const old = g.h + before * g.component_stride, *const h = g.h + t * g.component_stride;
  for (Index p = 0; p < g.n; p += L) {
    const V h_old = load<V>(old + p), h_new = load<V>(h + p);
    unroll<N>([&](auto r) NONNEG_LAMBDA {
      const V y = load<V>(y_of[r] + p) + moved[r] * h_old;
      store(y_of[r] + p, y);
      const V x = load<V>(x_of[r] + p);
      const V z = h_new * inverse_of(y > least ? y : least, unit);
      const V present = x > zero ? z : zero;
      most[r] = most[r] > present ? most[r] : present;
      sums[r] += x * z;
      squares[r] += x * z * z;
    });
  }
  unroll<N>([&](auto r) NONNEG_LAMBDA {
    both[first + r] = sums[r];
    both[R + first + r] = squares[r];
    largest[first + r] = most[r];
  });
}

// The same of all R rows, a few at a time.
template <class T, int R>
NONNEG_INLINE void newton_terms(const NewtonGroup<T> &g, int before, const T *d, int t,
                                T floor, T unit, NewtonTerms<R> &terms) {
  constexpr int N = R < kSummed ? R : kSummed;
  Vec<T> both[2 * R], largest[R];
  for (int first = 0; first < R; first += N)
    newton_terms_of<T, R, N>(g, first, before, d, t, floor, unit, both, largest);
  fold_vectors<T, 2 * R, false>(both, terms.sums);
  fold_vectors<T, R, true>(largest, terms.largest);
}

// y += d * (component t).
template <class T, int R>
NONNEG_INLINE void newton_move(const NewtonGroup<T> &g, int t, const T *d) {
  using V = Vec<T>;
  for (int r = 0; r < R; ++r) {
    const V moved = fill<V>(d[r]);
    for (Index p = 0; p < g.n; p += kLanes<T>) {
      const V y = load<V>(g.y + r * g.n + p) +
                  moved * load<V>(g.h + t * g.component_stride + p);
      store(g.y + r * g.n + p, y);
    }
  }
}

// What a sweep knows of N rows besides their entries, a row in each lane.
template <int N> struct SweepLanes {
  using D = typename VectorOf<double, N>::type;
  D total, per_total, alive; // per_total: 1 over the sum of x
  D violation, worst, bent;  // of the bounds by linear the largest, of those by l2 the sum

  NONNEG_INLINE SweepLanes begin(D total, D alive) {
    const D zero = fill<D>(0.0);
    return {total, fill<D>(1.0) / total, alive, zero, zero, zero};
  }
  // How far each row's objective is from its smallest at most, up to what the row moved in this
  // sweep: by convexity sum_t gradient_t (w_t - best_t), of which at the best row
  // sum_t linear_t best_t and l2_t best_t^2 are at most the row's sum of x.
  D slack() const { return violation + total * (worst + bent); }
};

// Where entry t of N rows moves from w, by the sums of x h/y and x (h/y)^2 and the largest h/y.
template <class T, int N>
NONNEG_INLINE typename VectorOf<double, N>::type
newton_entry(const Newton<T> &options, int t, SweepLanes<N> &rows,
             typename VectorOf<double, N>::type w, typename VectorOf<double, N>::type sum,
             typename VectorOf<double, N>::type squares,
             typename VectorOf<double, N>::type largest) {
  using D = typename VectorOf<double, N>::type;
  const D zero = fill<D>(0.0), one = fill<D>(1.0), infinite = fill<D>(__builtin_inf());
  const double flat = static_cast<double>(options.column_sums[t]) + static_cast<double>(options.l1[t]);
  const double bent = static_cast<double>(options.l2[t]);
  const D linear = fill<D>(flat), l2 = fill<D>(bent), share = fill<D>(flat > 0 ? 1 / flat : 0);
  const D gradient = linear + l2 * w - sum;
  // Where float32 can't hold the sum of x (h/y)^2, for a y near nothing beside large x, it is
  // the least that it can be beside the sum of x h/y, by Cauchy and Schwarz: the step is then
  // about the one after which this component alone makes up the row. An infinite sum would
  // stop the entry for ever.
  const D least = sum * sum * rows.per_total;
  const D curvature = l2 + (squares < infinite ? squares : least);
  // without curvature the row is linear: it ends at zero, or stays
  const D without = gradient > zero ? -w : zero;
  D step = -gradient / curvature;
  // 1/sum(x h/y) is concave along the entry: where it is matched by its tangent in
  // w_t of the sum itself, a step upwards is longer and still not too long, and
  // one downwards shorter
  if (bent == 0)
    step *= sum * share;
  step = curvature > zero ? step : without;
  step = step > -w ? step : -w;
  const D lambda = largest * -step;
  step = lambda > fill<D>(kUndamped) ? step / (one + lambda) : step;
  D moved = w + step * rows.alive;
  moved = moved > zero ? moved : zero;
  rows.violation += (gradient < zero ? -gradient : gradient) * (w > moved ? w : moved);
  const D down = -gradient * share, raised = rows.worst > down ? rows.worst : down;
  if (bent == 0) {
    rows.worst = raised;
    return moved;
  }
  const D scale = l2 * rows.total;
  D root = one;
  for (int r = 0; r < N; ++r)
    root[r] = scale[r] > 0 ? __builtin_sqrt(scale[r]) : 1;
  const D bound = gradient < zero ? -gradient / root : zero;
  rows.bent += scale > linear * linear ? bound : zero;
  rows.worst = scale > linear * linear ? rows.worst : raised;
  return moved;
}

// One sweep over the components of R rows.
template <class T, int R>
static void newton_sweep(const Newton<T> &options, const NewtonGroup<T> &g, NewtonRows<T, R> &rows,
                         double *violation, double *slack) {
  static constexpr int N = R > 1 ? R : 2; // static: Clang wants a capture otherwise
  using D = typename VectorOf<double, N>::type;
  const auto lanes_of = [](const auto *numbers) NONNEG_LAMBDA {
    alignas(64) double lanes[N] = {};
    for (int r = 0; r < R; ++r)
      lanes[r] = static_cast<double>(numbers[r]);
    return load<D>(lanes);
  };
  SweepLanes<N> lanes = SweepLanes<N>::begin(lanes_of(rows.total), lanes_of(rows.alive));
  NewtonTerms<R> terms;
  T d[R];
  for (int r = 0; r < R; ++r)
    d[r] = 0;
  for (int t = 0; t < options.k; ++t) {
    newton_terms<T, R>(g, t > 0 ? t - 1 : 0, d, t, options.floor, options.unit, terms);
    T *const w_t = rows.w + t * R;
    alignas(64) double moved[N];
    store(moved, newton_entry<T, N>(options, t, lanes, lanes_of(w_t), lanes_of(terms.sums),
                                    lanes_of(terms.sums + R), lanes_of(terms.largest)));
    for (int r = 0; r < R; ++r) {
      const T narrow = static_cast<T>(moved[r]);
      d[r] = narrow - w_t[r];
      w_t[r] = narrow;
    }
  }
  newton_move<T, R>(g, options.k - 1, d);
  alignas(64) double numbers[2 * N];
  store(numbers, lanes.violation);
  store(numbers + N, lanes.slack());
  for (int r = 0; r < R; ++r) {
    violation[r] = numbers[r];
    slack[r] = numbers[N + r];
  }
}

// y = W H from the start: of a few vectors at a time, so that their sums don't wait for each other.
template <class T, int R>
static void newton_start(const Newton<T> &options, const NewtonGroup<T> &g, const T *w,
                         const Index *filled) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, N = R > 1 ? 2 : 8;
  for (Index p = 0; p < g.n; p += N * L) {
    const int vectors = static_cast<int>(smaller<Index>(N, (g.n - p) / L));
    V y[R * N];
    unroll<R * N>([&](auto i) NONNEG_LAMBDA { y[i] = fill<V>(T(0)); });
    for (int t = 0; t < options.k; ++t) {
      const T *const h = g.h + t * g.component_stride + p;
      V part[N]; // the last vector again where there are no more
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        part[v] = load<V>(h + (v < vectors ? static_cast<int>(v) : vectors - 1) * L);
      });
      unroll<R>([&](auto r) NONNEG_LAMBDA {
        const V one = fill<V>(w[t * R + r]);
        unroll<N>([&](auto v) NONNEG_LAMBDA { y[r * N + v] += one * part[v]; });
      });
    }
    unroll<R>([&](auto r) NONNEG_LAMBDA {
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        if (v < vectors)
          store(g.y + r * g.n + p + v * L, y[r * N + v]);
      });
    });
  }
  for (int r = 0; r < R; ++r)
    for (Index p = filled[r]; p < g.n; ++p)
      g.y[r * g.n + p] = T(1);
}

// s > 0 with bent s^2 + flat s = total.
NONNEG_INLINE double positive_root(double bent, double flat, double total) {
  const double below = flat + __builtin_sqrt(flat * flat + 4 * bent * total);
  return below > 0 ? 2 * total / below : 0;
}

// Brings each row to its best scale, or out of zero: there all its components alike share in
// the sum of x.
template <class T, int R>
static void newton_scale(const Newton<T> &options, NewtonRows<T, R> &rows) {
  for (int r = 0; r < R; ++r) {
    const double total = rows.total[r];
    double weight = 0, bent = 0;
    for (int t = 0; t < options.k; ++t) {
      const double w = static_cast<double>(rows.w[t * R + r]);
      weight += w * (static_cast<double>(options.column_sums[t]) + static_cast<double>(options.l1[t]));
      bent += w * w * static_cast<double>(options.l2[t]);
    }
    if (!options.rescale && weight > 0)
      continue;
    const double scale = weight > 0 ? positive_root(bent, weight, total) : 0;
    for (int t = 0; t < options.k; ++t) {
      const double linear = static_cast<double>(options.column_sums[t]) + static_cast<double>(options.l1[t]);
      T &w = rows.w[t * R + r];
      if (weight > 0)
        w = static_cast<T>(static_cast<double>(w) * scale);
      else
        w = linear > 0 ? static_cast<T>(positive_root(static_cast<double>(options.l2[t]), linear,
                                                      total / options.k))
                       : T(0);
    }
  }
}

// The sum of x of each row.
template <class T, int R>
static void newton_totals(const NewtonGroup<T> &g, NewtonRows<T, R> &rows) {
  using V = Vec<T>;
  V sums[R];
  unroll<R>([&](auto r) NONNEG_LAMBDA { sums[r] = fill<V>(T(0)); });
  for (Index p = 0; p < g.n; p += kLanes<T>)
    unroll<R>([&](auto r) NONNEG_LAMBDA { sums[r] += load<V>(g.x + r * g.n + p); });
  unroll<R>([&](auto r) NONNEG_LAMBDA {
    rows.total[r] = wide_sum<T>(sums[r]);
    rows.alive[r] = 1;
  });
}

// Goes on with row r of a group by steps over all its entries at once; the sweeps that are left
// afterwards. A step that does not lower the objective is replaced by a sweep.
template <class T, int R>
static int newton_steps(const Newton<T> &options, const NewtonGroup<T> &g, NewtonRows<T, R> &rows,
                        int r, int left) {
  const NewtonGroup<T> one{g.h, g.component_stride, g.n,
                           g.x + r * g.n, g.y + r * g.n, g.step};
  NewtonRows<T, 1> row{g.step.w, {rows.total[r]}, {1}};
  for (int t = 0; t < options.k; ++t)
    row.w[t] = rows.w[t * R + r];
  const NewtonRow<T> whole{one.h, one.component_stride, one.n, one.x, one.y, row.w, row.total[0]};
  bool done = false;
  for (int number = 0; number < kMostSteps && left > 0 && !done; ++number, --left) {
    const StepEnd end = newton_step(options, whole, g.step);
    done = end == StepEnd::optimal;
    if (end == StepEnd::stuck) {
      double violation[1], slack[1];
      newton_sweep<T, 1>(options, one, row, violation, slack);
      done = slack[0] <= options.tolerance * row.total[0];
    }
  }
  if (!done)
    refresh_product(whole, options.k);
  for (int t = 0; t < options.k; ++t)
    rows.w[t * R + r] = row.w[t];
  rows.alive[r] = !done;
  return left;
}

// The divergence without the sum over W H, of n numbers in whole vectors.
template <class T> static double newton_value(const T *x, const T *y, Index n, T floor) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const BetaTerms<T> terms{T(1), fill<V>(floor)};
  double sum = 0; // of few numbers at a time in T, whose rounding would grow with the row
  for (Index first = 0; first < n; first += kSummedTogether * L) {
    const Index last = smaller<Index>(n, first + kSummedTogether * L);
    V value = fill<V>(T(0));
    for (Index p = first; p < last; p += L)
      value += terms.present(load<V>(x + p), load<V>(y + p));
    sum += wide_sum<T>(value);
  }
  return sum;
}

// Solves for R rows; `filled` says how many of their columns are real.
template <class T, int R>
static void newton_rows(const Newton<T> &options, const NewtonGroup<T> &g, T *w,
                        const Index *filled, NewtonSums &sums) {
  NewtonRows<T, R> rows;
  rows.w = w;
  newton_totals<T, R>(g, rows);
  newton_scale<T, R>(options, rows);
  newton_start<T, R>(options, g, w, filled);
  double violation[R], slack[R];
  for (int number = 0; number < options.sweeps; ++number) {
    int alive = 0;
    for (int r = 0; r < R; ++r)
      alive += rows.alive[r] > 0;
    if (alive == 0)
      break;
    sums.sweeps += alive;
    newton_sweep<T, R>(options, g, rows, violation, slack);
    for (int r = 0; r < R; ++r) {
      if (number == 0)
        sums.residual += violation[r];
      if (slack[r] <= options.tolerance * rows.total[r])
        rows.alive[r] = 0;
      else if (options.tolerance > 0 && number + 1 == kSweepsBefore) {
        const int left = options.sweeps - number - 1;
        sums.sweeps += left - newton_steps<T, R>(options, g, rows, r, left);
      }
    }
  }
  for (int r = 0; r < R; ++r)
    sums.unfinished += rows.alive[r];
  if (options.wants_value)
    sums.value += newton_value(g.x, g.y, R * g.n, options.floor);
}

} // namespace nonneg::NONNEG_ISA
