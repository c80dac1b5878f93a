// One row by the active-set method of Lawson and Hanson, on its Gram matrix as in Bro and
// de Jong (1997, doi:10.1002/(SICI)1099-128X(199709/10)11:5<393::AID-CEM483>3.0.CO;2-L),
// with upper bounds: slower than pivoting, but every step lowers the objective, so that it
// ends where dependent columns or an ill-conditioned Gram matrix make pivoting go round.
#pragma once

#include "kernels/pivoting_factor.hpp"
#include "kernels/pivoting_tile.hpp"

namespace nonneg::NONNEG_ISA {

struct ActiveSet {
  int k, n; // n: passive coordinates
  const double *gram, *upper;
  double *factor;  // rows of L D, k apart
  double *inverse; // of D
  double *scaled, *q, *x, *y, *z;
  int64_t *list;   // the passive coordinates, in their order of entry
  int64_t *barred; // 1: passive, or of no use until the next step
  bool bounded;    // some upper bound is finite
  bool sound;      // no coordinate depends on those before
};

NONNEG_INLINE double exact_dot(const double *a, const double *b, int n) {
  ExactVec sum = fill<ExactVec>(0.0);
  int i = 0;
  for (; i + kExactLanes <= n; i += kExactLanes)
    sum += load<ExactVec>(a + i) * load<ExactVec>(b + i);
  double total = sum_lanes<double>(sum);
  for (; i < n; ++i)
    total += a[i] * b[i];
  return total;
}

// In the memory of the tile's factor, which holds twice as much.
static ActiveSet begin_active_set(ExactTile &tile, int l) {
  const Index k = tile.k, L = kExactLanes;
  ActiveSet s{};
  s.k = tile.k;
  s.gram = tile.gram;
  s.upper = tile.upper;
  double *memory = tile.factor;
  s.factor = memory, memory += k * k;
  for (double **array : {&s.inverse, &s.scaled, &s.q, &s.x, &s.y, &s.z})
    *array = memory, memory += k;
  s.list = reinterpret_cast<int64_t *>(memory);
  s.barred = s.list + k;
  for (Index t = 0; t < k; ++t) {
    s.q[t] = tile.rhs[t * L + l];
    s.x[t] = 0;
    s.y[t] = -s.q[t];
    s.barred[t] = !(tile.unit[t] > 0);
    s.bounded |= s.upper[t] < __builtin_inf();
  }
  return s;
}

// The factor's rows from `first` on.
static void factor_rows(ActiveSet &s, int first) {
  for (int i = first; i < s.n; ++i) {
    const double *const g = s.gram + s.list[i] * (s.k + 1);
    double *const now = s.factor + static_cast<Index>(i) * s.k;
    double pivot = g[s.list[i]];
    const double smallest = pivot * kExactPivot, soft = pivot * kExactSoftPivot;
    for (int j = 0; j < i; ++j) {
      const double *const before = s.factor + static_cast<Index>(j) * s.k;
      const double entry = g[s.list[j]] - exact_dot(before, s.scaled, j);
      now[j] = entry;
      s.scaled[j] = entry * s.inverse[j];
      pivot -= entry * s.scaled[j];
    }
    s.sound &= pivot > smallest;
    s.inverse[i] = 1 / (pivot > smallest ? pivot : soft);
  }
}

// z = G[F,F]^-1 (q - G x outside F).
static void solve_passive(ActiveSet &s) {
  for (int i = 0; i < s.n; ++i) {
    const int64_t f = s.list[i];
    double sum = s.q[f];
    if (s.bounded) { // y is the gradient at x, F included
      sum = -s.y[f];
      for (int j = 0; j < s.n; ++j)
        sum += s.gram[f * (s.k + 1) + s.list[j]] * s.x[s.list[j]];
    }
    sum -= exact_dot(s.factor + static_cast<Index>(i) * s.k, s.scaled, i);
    s.z[i] = sum;
    s.scaled[i] = sum * s.inverse[i];
  }
  for (int j = s.n - 1; j >= 0; --j) {
    const double *const row = s.factor + static_cast<Index>(j) * s.k;
    s.z[j] *= s.inverse[j];
    for (int i = 0; i < j; ++i)
      s.z[i] -= row[i] * s.z[j];
  }
}

static void refresh_gradient(ActiveSet &s) {
  for (int t = 0; t < s.k; ++t)
    s.y[t] = -s.q[t];
  for (int t = 0; t < s.k; ++t)
    if (s.x[t] != 0)
      for (int i = 0; i < s.k; ++i)
        s.y[i] += s.gram[static_cast<Index>(t) * (s.k + 1) + i] * s.x[t];
}

// The coordinate at a bound whose leaving it pays most, or -1.
static int best_entry(const ActiveSet &s, double tolerance) {
  double scale = 0, most = 0;
  int best = -1;
  for (int t = 0; t < s.k; ++t)
    scale = larger(scale, larger(s.q[t] < 0 ? -s.q[t] : s.q[t], s.x[t]));
  for (int t = 0; t < s.k; ++t) {
    const double gain = s.x[t] > 0 ? s.y[t] : -s.y[t];
    if (!s.barred[t] && s.upper[t] > 0 && gain > larger(most, tolerance * scale))
      most = gain, best = t;
  }
  return best;
}

// Goes from x towards z as far as the bounds allow; what reaches one leaves the set.
// Returns whether something did.
static bool step_passive(ActiveSet &s, double share, int blocking) {
  int kept = 0, first = s.n;
  for (int i = 0; i < s.n; ++i) {
    const int64_t f = s.list[i];
    double x = s.x[f] + share * (s.z[i] - s.x[f]);
    if (i == blocking)
      x = s.z[i] <= 0 ? 0 : s.upper[f];
    const bool inside = x > 0 && x < s.upper[f];
    s.x[f] = inside ? x : x > 0 ? s.upper[f] : 0;
    s.barred[f] = inside;
    first = inside ? first : smaller(first, kept);
    s.list[kept] = f;
    kept += inside;
  }
  const bool left = kept < s.n;
  s.n = kept;
  refresh_gradient(s);
  if (left) {
    s.sound = true;
    factor_rows(s, first); // the rows before the first that left stay
  }
  return left;
}

// Lets t in and solves; false if t turned out to be of no use.
static bool enter(ActiveSet &s, int t) {
  const bool from_upper = s.x[t] > 0;
  s.list[s.n++] = t;
  s.sound = true;
  factor_rows(s, s.n - 1);
  for (bool first = true;; first = false) {
    solve_passive(s);
    double share = 1;
    int blocking = -1;
    for (int i = 0; i < s.n; ++i) {
      const int64_t f = s.list[i];
      const double x = s.x[f], z = s.z[i], bound = z <= 0 ? 0 : s.upper[f];
      if (z > 0 && z < bound)
        continue;
      const double most = z == x ? 1 : (bound - x) / (z - x);
      if (most < share || blocking < 0)
        share = smaller(most, share), blocking = i;
    }
    const double z = s.z[s.n - 1];
    const bool wrong = first && (from_upper ? z >= s.x[t] : z <= 0);
    if (wrong || (!s.sound && blocking < 0)) { // rounding, or no end in sight
      s.n -= first;
      return false;
    }
    if (!step_passive(s, share, blocking))
      return true;
  }
}

static void solve_by_active_set(ExactTile &tile, int l, double tolerance) {
  constexpr int L = kExactLanes;
  ActiveSet s = begin_active_set(tile, l);
  for (int step = 0; step < 5 * s.k + 10; ++step) {
    const int t = best_entry(s, tolerance);
    if (t < 0)
      break;
    if (enter(s, t)) {
      for (int i = 0; i < s.k; ++i)
        s.barred[i] = !(tile.unit[i] > 0);
      for (int i = 0; i < s.n; ++i)
        s.barred[s.list[i]] = 1;
    } else {
      s.barred[t] = 1;
    }
  }
  for (int t = 0; t < s.k; ++t) {
    tile.x[t * L + l] = s.x[t];
    tile.y[t * L + l] = s.y[t];
    tile.side[t * L + l] = s.x[t] > 0 && s.x[t] >= s.upper[t] ? kAtUpper : kAtZero;
  }
  for (int i = 0; i < s.n; ++i)
    tile.side[s.list[i] * L + l] = kFree;
  tile.changed = true; // its factor is gone
}

} // namespace nonneg::NONNEG_ISA
