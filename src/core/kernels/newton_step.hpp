// A Newton step for a whole row of W and the Kullback-Leibler divergence: the quadratic model
// by the k x k Hessian is minimised over non-negative rows, and the objective then along the
// way there. Near the solution a few of them end what takes scalar steps hundreds of sweeps.
#pragma once

#include <cstdint>

#include "kernels/column_products.hpp"
#include "kernels/newton_interface.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Sweeps by scalar steps before the first step of this kind, which bring a cold row near its
// solution for less, and most such steps of a row (D-CORE-NEWTON-STEPS).
constexpr int kSweepsBefore = 2, kMostSteps = 50;
// Exchanges of passive sets for one quadratic model, and evaluations along one line.
constexpr int kMostExchanges = 10, kMostTrials = 12;
// A line search ends where the slope is this share of what it was.
constexpr double kFlatter = 0.1;
// A pivot at most this share of its diagonal entry is rounding: as many entries of the row
// depend on each other. It is replaced by the share.
template <class T> constexpr double kDependent = sizeof(T) == 8 ? 1e-11 : 1e-5;

template <class T> struct NewtonRow {
  const T *h; // component t begins at h + t * stride
  Index stride, n; // whole vectors; x is 0 behind the row
  const T *x;
  T *y, *w;
  double total; // sum of x
};

template <class T> struct StepScratch {
  double *hessian, *factor, *gradient, *rhs, *best, *solved; // k x k, in whole vectors too, then k each
  int64_t *free, *passive;
  const T **rows; // k
  T *w, *sums, *bent, *change; // k, k, kSumRows columns, columns
};

NONNEG_INLINE size_t whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

// The scratch for rows of at most n columns, whole vectors; memory then points behind it.
template <class T> static StepScratch<T> cut_step(char *&memory, Index n, int k) {
  const auto take = [&](size_t count, size_t size) {
    char *const part = memory;
    memory += whole_lines(count * size);
    return part;
  };
  const size_t m = static_cast<size_t>(k), columns = static_cast<size_t>(n);
  StepScratch<T> s;
  s.hessian = reinterpret_cast<double *>(take(m * m, sizeof(double)));
  s.factor = reinterpret_cast<double *>(take(m * (m + kLanes<double>), sizeof(double)));
  for (double **array : {&s.gradient, &s.rhs, &s.best, &s.solved})
    *array = reinterpret_cast<double *>(take(m, sizeof(double)));
  for (int64_t **array : {&s.free, &s.passive})
    *array = reinterpret_cast<int64_t *>(take(m, sizeof(int64_t)));
  s.rows = reinterpret_cast<const T **>(take(m, sizeof(const T *)));
  s.w = reinterpret_cast<T *>(take(m, sizeof(T)));
  s.sums = reinterpret_cast<T *>(take(m + kSumRows * m, sizeof(T)));
  s.bent = reinterpret_cast<T *>(take(kSumRows * columns, sizeof(T)));
  s.change = reinterpret_cast<T *>(take(columns, sizeof(T)));
  return s;
}

template <class T> static size_t step_bytes(Index n, int k) {
  char *const start = nullptr, *memory = start;
  cut_step<T>(memory, n, k);
  return static_cast<size_t>(memory - start);
}

// y = W H from scratch, since what is added up over many steps drifts.
template <class T> static void refresh_product(const NewtonRow<T> &row, int k) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, N = 4;
  for (Index p = 0; p < row.n; p += N * L) {
    const int vectors = static_cast<int>(smaller<Index>(N, (row.n - p) / L));
    V y[N];
    unroll<N>([&](auto v) NONNEG_LAMBDA { y[v] = fill<V>(T(0)); });
    for (int t = 0; t < k; ++t) {
      if (row.w[t] == T(0))
        continue;
      const V w = fill<V>(row.w[t]);
      const T *const h = row.h + t * row.stride + p;
      unroll<N>([&](auto v) NONNEG_LAMBDA {
        if (v < vectors)
          y[v] += w * load<V>(h + v * L);
      });
    }
    for (int v = 0; v < vectors; ++v)
      store(row.y + p + v * L, y[v]);
  }
}

// How far the objective is from its smallest, at most, see newton_sweep.
template <class T>
static double slack_of(const Newton<T> &options, const NewtonRow<T> &row, const double *gradient) {
  double violation = 0, worst = 0, bent = 0;
  for (int t = 0; t < options.k; ++t) {
    const double g = gradient[t], l2 = static_cast<double>(options.l2[t]);
    const double linear = static_cast<double>(options.column_sums[t]) + static_cast<double>(options.l1[t]);
    violation += (g < 0 ? -g : g) * static_cast<double>(row.w[t]);
    if (l2 * row.total > linear * linear)
      bent += g < 0 ? -g / __builtin_sqrt(l2 * row.total) : 0;
    else if (g < 0 && linear > 0)
      worst = larger(worst, -g / linear);
  }
  return violation + row.total * (worst + bent);
}

// y afresh, the gradient, and the entries that may move: those that are not 0, and those that
// the gradient raises. Returns the slack.
template <class T>
static double begin_step(const Newton<T> &options, const NewtonRow<T> &row, StepScratch<T> &s) {
  using V = Vec<T>;
  const V floor = fill<V>(options.floor);
  refresh_product(row, options.k);
  for (Index p = 0; p < row.n; p += kLanes<T>) {
    const V y = load<V>(row.y + p);
    store(s.change + p, load<V>(row.x + p) / (y > floor ? y : floor));
  }
  for (int t = 0; t < options.k; ++t)
    s.sums[t] = T(0);
  add_row_sums(s.change, row.n, 1, row.h, row.stride, options.k, row.n, s.sums, Index(options.k));
  for (int t = 0; t < options.k; ++t)
    s.gradient[t] = static_cast<double>(options.column_sums[t]) + static_cast<double>(options.l1[t]) +
                    static_cast<double>(options.l2[t]) * static_cast<double>(row.w[t]) -
                    static_cast<double>(s.sums[t]);
  return slack_of(options, row, s.gradient);
}

// The Hessian over the m free entries, m apart, both triangles; s.change holds x/y.
template <class T>
static void fill_hessian(const Newton<T> &options, const NewtonRow<T> &row, StepScratch<T> &s,
                         int m) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, R = kSumRows;
  const V floor = fill<V>(options.floor);
  for (int i = 0; i < m; ++i)
    s.rows[i] = row.h + s.free[i] * row.stride;
  for (Index p = 0; p < row.n; p += L) { // x/y^2
    const V y = load<V>(row.y + p);
    store(s.change + p, load<V>(s.change + p) / (y > floor ? y : floor));
  }
  T *const products = s.sums + options.k; // R x m
  for (int i = 0; i < m; i += R) {
    for (int r = 0; r < R; ++r) { // the last one again where there are no more
      const T *const h = s.rows[smaller(i + r, m - 1)];
      for (Index p = 0; p < row.n; p += L)
        store(s.bent + r * row.n + p, load<V>(s.change + p) * load<V>(h + p));
    }
    for (int j = 0; j < R * options.k; ++j)
      products[j] = T(0);
    for_balanced<kSumComponents>(m - i, [&](auto count, int u) NONNEG_LAMBDA {
      row_sums_tile<R, decltype(count)::value>(s.bent, row.n, s.rows + i + u, row.n, products + u,
                                               Index(options.k));
    });
    for (int r = 0; r < R && i + r < m; ++r)
      for (int u = r; i + u < m; ++u) {
        const double entry = static_cast<double>(products[r * options.k + u]);
        s.hessian[(i + r) * m + i + u] = s.hessian[(i + u) * m + i + r] = entry;
      }
  }
  for (int i = 0; i < m; ++i)
    s.hessian[i * (m + 1)] += static_cast<double>(options.l2[s.free[i]]);
}

// solved[0..n) = G[P,P]^-1 rhs[P] for the passive set P, by L D L'. Rows of `factor` are whole
// vectors; those that hold the diagonal entry begin to its left, where no number matters.
NONNEG_INLINE void solve_for(const double *G, int m, const int64_t *passive, int n,
                             const double *rhs, double *__restrict factor,
                             double *__restrict solved, double dependent) {
  using V = Vec<double>;
  constexpr int L = kLanes<double>;
  const int next = (n + L - 1) / L * L;
  for (int i = 0; i < n; ++i) {
    const double *const row = G + passive[i] * m;
    double *const to = factor + i * next;
    for (int j = i / L * L; j < n; ++j)
      to[j] = row[passive[j]];
    for (int j = n; j < next; ++j)
      to[j] = 0;
    solved[i] = rhs[passive[i]];
  }
  for (int j = 0; j < n; ++j) {
    double *const pivots = factor + j * next;
    const double whole = G[passive[j] * (m + 1)];
    pivots[j] = pivots[j] > dependent * whole ? pivots[j] : dependent * whole;
    const double inverse = 1 / pivots[j];
    for (int i = j + 1; i < n; ++i) {
      const double share = pivots[i] * inverse;
      const V shares = fill<V>(share);
      double *const row = factor + i * next;
      for (int c = i / L * L; c < next; c += L)
        store(row + c, load<V>(row + c) - shares * load<V>(pivots + c));
      solved[i] -= share * solved[j];
    }
  }
  for (int j = n - 1; j >= 0; --j) {
    const double *const row = factor + j * next;
    double sum = solved[j];
    int c = j + 1;
    for (; c % L != 0 && c < n; ++c)
      sum -= row[c] * solved[c];
    if (c < n) {
      V products = fill<V>(0.0);
      for (; c + L <= n; c += L)
        products += load<V>(row + c) * load<V>(solved + c);
      for (; c < n; ++c)
        sum -= row[c] * solved[c];
      sum -= sum_lanes<double>(products);
    }
    solved[j] = sum / row[j];
  }
}

// best[0..m) = about the minimum of the model, 1/2 b'G b - rhs'b, over b >= 0: by exchanging all
// that is infeasible as long as that makes it fewer, from all free entries.
template <class T> static void minimise_model(StepScratch<T> &s, int m) {
  int n = 0;
  for (int i = 0; i < m; ++i)
    if (s.hessian[i * (m + 1)] > 0)
      s.passive[n++] = i;
  int fewest = m + 1;
  for (int number = 0; number < kMostExchanges; ++number) {
    for (int i = 0; i < m; ++i)
      s.best[i] = 0;
    solve_for(s.hessian, m, s.passive, n, s.rhs, s.factor, s.solved, kDependent<T>);
    int infeasible = 0;
    for (int i = 0; i < n; ++i) {
      s.best[s.passive[i]] = s.solved[i];
      infeasible += s.solved[i] < 0;
    }
    int next = 0, kept = 0; // passive entries in increasing order
    const bool drop_alone = fewest <= infeasible;
    for (int i = 0; i < m; ++i) {
      const bool is_passive = kept < n && s.passive[kept] == i;
      kept += is_passive;
      bool stays = is_passive && s.best[i] >= 0;
      if (!is_passive && s.hessian[i * (m + 1)] > 0 && !drop_alone) {
        double slope = -s.rhs[i], size = s.rhs[i] < 0 ? -s.rhs[i] : s.rhs[i];
        for (int j = 0; j < m; ++j) {
          const double term = s.hessian[i * m + j] * s.best[j];
          slope += term;
          size += term < 0 ? -term : term;
        }
        stays = slope < -kDependent<T> * size;
        infeasible += stays;
      }
      if (stays)
        s.solved[next++] = static_cast<double>(i); // no longer needed
    }
    if (infeasible == 0)
      break;
    fewest = smaller(fewest, infeasible);
    n = next;
    for (int i = 0; i < n; ++i)
      s.passive[i] = static_cast<int64_t>(s.solved[i]);
  }
  for (int i = 0; i < m; ++i)
    s.best[i] = s.best[i] > 0 ? s.best[i] : 0;
}

// Slope of the objective at w + a d, and its second derivative: flat is that of the terms
// without y, s.change holds the change of y over y.
template <class T>
static double line_slope(const NewtonRow<T> &row, const T *change, double a, double flat,
                         double bent, double &curvature) {
  using V = Vec<T>;
  const V share = fill<V>(static_cast<T>(a)), one = fill<V>(T(1)), least = fill<V>(T(1e-20));
  V first = fill<V>(T(0)), second = first;
  for (Index p = 0; p < row.n; p += kLanes<T>) {
    const V u = load<V>(change + p), whole = one + share * u;
    const V z = u / (whole > least ? whole : least), xz = load<V>(row.x + p) * z;
    first += xz;
    second += xz * z;
  }
  curvature = bent + wide_sum<T>(second);
  return flat + a * bent - wide_sum<T>(first);
}

// The share of the way along which the objective falls to about its minimum.
template <class T>
static double search_line(const NewtonRow<T> &row, const T *change, double slope, double flat,
                          double bent) {
  double low = 0, high = 1, a = 1;
  for (int trial = 0; trial < kMostTrials; ++trial) {
    double curvature;
    const double now = line_slope(row, change, a, flat, bent, curvature);
    if (trial == 0 && now <= 0)
      return 1;
    if (now <= 0 && now >= kFlatter * slope)
      return a;
    (now > 0 ? high : low) = a;
    const double next = a - now / curvature;
    a = next > low && next < high ? next : low + 0.5 * (high - low);
  }
  return low;
}

enum class StepEnd { moved, optimal, stuck };

// `optimal` if the row needed no step; `stuck` if it is where it was.
template <class T>
static StepEnd newton_step(const Newton<T> &options, const NewtonRow<T> &row, StepScratch<T> s) {
  using V = Vec<T>;
  const int k = options.k;
  if (begin_step(options, row, s) <= options.tolerance * row.total)
    return StepEnd::optimal;
  int m = 0;
  for (int t = 0; t < k; ++t)
    if (row.w[t] > T(0) || s.gradient[t] < 0)
      s.free[m++] = t;
  fill_hessian(options, row, s, m);
  for (int i = 0; i < m; ++i) { // G w - gradient
    s.rhs[i] = -s.gradient[s.free[i]];
    for (int j = 0; j < m; ++j)
      s.rhs[i] += s.hessian[i * m + j] * static_cast<double>(row.w[s.free[j]]);
  }
  minimise_model(s, m);
  // where there is no curvature, the entry becomes 0 or stays
  double slope = 0, flat = 0, bent = 0;
  for (int i = 0; i < m; ++i) {
    const int t = static_cast<int>(s.free[i]);
    const double w = static_cast<double>(row.w[t]), l2 = static_cast<double>(options.l2[t]);
    if (!(s.hessian[i * (m + 1)] > 0))
      s.best[i] = s.gradient[t] > 0 ? 0 : w;
    const double d = s.best[i] - w;
    slope += s.gradient[t] * d;
    flat += (static_cast<double>(options.column_sums[t]) + static_cast<double>(options.l1[t]) + l2 * w) * d;
    bent += l2 * d * d;
    s.solved[i] = d;
  }
  if (!(slope < 0))
    return StepEnd::stuck;
  for (Index p = 0; p < row.n; p += kLanes<T>)
    store(s.change + p, fill<V>(T(0)));
  for (int i = 0; i < m; ++i) {
    const T *const h = row.h + s.free[i] * row.stride;
    const V d = fill<V>(static_cast<T>(s.solved[i]));
    for (Index p = 0; p < row.n; p += kLanes<T>)
      store(s.change + p, load<V>(s.change + p) + d * load<V>(h + p));
  }
  const V floor = fill<V>(options.floor);
  for (Index p = 0; p < row.n; p += kLanes<T>) {
    const V y = load<V>(row.y + p);
    store(s.change + p, load<V>(s.change + p) / (y > floor ? y : floor));
  }
  const double a = search_line(row, s.change, slope, flat, bent);
  for (int i = 0; i < m; ++i) {
    T &w = row.w[s.free[i]];
    const double moved = a == 1 ? s.best[i] : static_cast<double>(w) + a * s.solved[i];
    w = moved > 0 ? static_cast<T>(moved) : T(0);
  }
  return a > 0 ? StepEnd::moved : StepEnd::stuck;
}

} // namespace nonneg::NONNEG_ISA
