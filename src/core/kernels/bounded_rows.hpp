// Rows within bounds, one after the other in float64: coordinate sweeps, and block pivoting
// together with the multiplier of a row's sum.
#pragma once

#include "kernels/bounded_interface.hpp"

namespace nonneg::NONNEG_ISA {


constexpr signed char kFree = 0, kLow = -1, kHigh = 1;

// The Gram matrix on a set of coordinates as U'DU: D and U in the upper half of f x f
// numbers, U' in the lower one; and its solution for ones.
struct BoxFactor {
  double *matrix, *ones; // k x k, k
  int *place;            // k: the coordinates
  int size;              // of the set; -1 for none
};

struct BoxMemory {
  BoxFactor all, some; // of the full set, and of the last other one
  double *a, *p, *low, *high, *g, *x, *z;
  signed char *state;
  bool *wrong;
};

static size_t box_bytes(int k) {
  const size_t n = static_cast<size_t>(k);
  return sizeof(double) * (2 * n * n + 10 * n + 8) + 2 * n * sizeof(int) + 2 * n + 64;
}

static BoxMemory cut_box(void *scratch, int k) {
  double *at = static_cast<double *>(scratch);
  const auto take = [&](Index n) {
    double *const place = at;
    at += n;
    return place;
  };
  BoxMemory m{};
  const Index n = k;
  m.all.matrix = take(n * n), m.some.matrix = take(n * n);
  m.all.ones = take(n), m.some.ones = take(n);
  m.a = take(n), m.p = take(n), m.low = take(n), m.high = take(n);
  m.g = take(n), m.x = take(n), m.z = take(n);
  m.all.place = reinterpret_cast<int *>(at), m.some.place = m.all.place + n;
  m.state = reinterpret_cast<signed char *>(m.some.place + n);
  m.wrong = reinterpret_cast<bool *>(m.state + n);
  m.all.size = m.some.size = -1;
  return m;
}

static double clipped(double value, double low, double high) {
  value = value < low ? low : value;
  return value > high ? high : value;
}

// The part of a gradient along which an entry may move downwards.
static double movable(double gradient, double a, double low, double high) {
  if (low == high)
    return 0;
  if (a <= low)
    return gradient < 0 ? gradient : 0;
  if (a >= high)
    return gradient > 0 ? gradient : 0;
  return gradient;
}

// g = a G - p
static void gradient_of(const double *__restrict G, const double *a, const double *p,
                        double *__restrict g, int k) {
  for (int s = 0; s < k; ++s)
    g[s] = -p[s];
  for (int t = 0; t < k; ++t) {
    const double value = a[t];
    if (value == 0)
      continue;
    const double *const row = G + static_cast<Index>(t) * k;
    for (int s = 0; s < k; ++s)
      g[s] += value * row[s];
  }
}

// Sweeps over m.a beside the gradient m.g; returns their number.
static int sweep_box(const BoxMethod &b, const BoxMemory &m, double *measures,
                     double &decrease) {
  const int k = b.k;
  double first = 0;
  for (int number = 0; number < b.most; ++number) {
    double square = 0;
    for (int t = 0; t < k; ++t) {
      const double *const row = b.gram + static_cast<Index>(t) * k;
      const double curvature = row[t], gradient = m.g[t], a = m.a[t];
      if (number == 0) {
        const double left = movable(gradient, a, m.low[t], m.high[t]);
        measures[t] += left * left;
      }
      double moved = a;
      if (curvature > 1e-300)
        moved = a - gradient / curvature;
      else if (gradient > 0)
        moved = 0;
      const double size = moved < 0 ? -moved : moved;
      if (a > 0 && size <= b.vanishing * a)
        moved = 0;
      moved = clipped(moved, m.low[t], m.high[t]);
      const double step = moved - a;
      if (step == 0)
        continue;
      m.a[t] = moved;
      square += step * step;
      decrease -= step * (gradient + 0.5 * curvature * step);
      double *__restrict g = m.g;
      for (int s = 0; s < k; ++s)
        g[s] += step * row[s];
    }
    if (number == 0)
      first = square;
    if (number == 0 ? square == 0 : square <= b.settled * first)
      return number + 1;
  }
  return b.most;
}

static double pivot_of(const BoxMethod &b, double value) {
  return value > b.ridge ? value : b.ridge;
}

// Solves in place, in the order of the set.
static void solve_box_set(const BoxMethod &b, const BoxFactor &f, double *__restrict z) {
  const int n = f.size;
  for (int j = 0; j < n; ++j) {
    const double *const row = f.matrix + static_cast<Index>(j) * n;
    const double left = z[j];
    for (int s = j + 1; s < n; ++s)
      z[s] -= left * row[s];
    z[j] = left / pivot_of(b, row[j]);
  }
  for (int j = n - 1; j > 0; --j) {
    const double *const row = f.matrix + static_cast<Index>(j) * n;
    const double value = z[j];
    for (int s = 0; s < j; ++s)
      z[s] -= value * row[s];
  }
}

// The factor on the free entries, made unless it is there.
static const BoxFactor &factor_box(const BoxMethod &b, BoxMemory &m, int n_free) {
  const int k = b.k;
  BoxFactor &f = n_free == k ? m.all : m.some;
  bool same = f.size == n_free;
  for (int i = 0; same && i < n_free; ++i)
    same = m.state[f.place[i]] == kFree;
  if (same)
    return f;
  int n = 0;
  for (int t = 0; t < k; ++t)
    if (m.state[t] == kFree)
      f.place[n++] = t;
  f.size = n;
  for (int i = 0; i < n; ++i) {
    double *const row = f.matrix + static_cast<Index>(i) * n;
    const double *const from = b.gram + static_cast<Index>(f.place[i]) * k;
    for (int s = i; s < n; ++s)
      row[s] = from[f.place[s]];
    row[i] += b.ridge;
  }
  for (int j = 0; j < n; ++j) {
    double *const pivot = f.matrix + static_cast<Index>(j) * n;
    const double inverse = 1 / pivot_of(b, pivot[j]);
    for (int t = j + 1; t < n; ++t) {
      const double share = pivot[t] * inverse;
      double *__restrict row = f.matrix + static_cast<Index>(t) * n;
      for (int s = t; s < n; ++s)
        row[s] -= share * pivot[s];
      row[j] = share;
    }
    for (int s = j + 1; s < n; ++s)
      pivot[s] *= inverse;
  }
  for (int i = 0; i < n; ++i)
    f.ones[i] = 1;
  solve_box_set(b, f, f.ones);
  return f;
}

static double sum_of(const double *a, int k) {
  double sum = 0;
  for (int t = 0; t < k; ++t)
    sum += a[t];
  return sum;
}

static double largest_of(const double *a, int k) {
  double most = 0;
  for (int t = 0; t < k; ++t) {
    const double size = a[t] < 0 ? -a[t] : a[t];
    most = size > most ? size : most;
  }
  return most;
}

// Brings a row that is within the box but for rounding into it, and to its sum.
static void settle_box(const BoxMethod &b, const BoxMemory &m, const double *total) {
  const int k = b.k;
  for (int t = 0; t < k; ++t)
    m.x[t] = clipped(m.x[t], m.low[t], m.high[t]);
  if (!total)
    return;
  for (int number = 0; number < k; ++number) {
    double excess = sum_of(m.x, k) - *total;
    if (b.at_most && excess < 0)
      excess = 0;
    if (excess == 0)
      return;
    int best = 0;
    double most = -1;
    for (int t = 0; t < k; ++t) {
      double room = excess > 0 ? m.x[t] - m.low[t] : m.high[t] - m.x[t];
      room = room / (1 + room);
      room = room == room ? room : 1.0; // without a bound
      if (m.x[t] > m.low[t] && m.x[t] < m.high[t])
        room += 1;
      if (room > most)
        most = room, best = t;
    }
    m.x[best] = clipped(m.x[best] - excess, m.low[best], m.high[best]);
  }
}

// Block pivoting from the row m.a; the solution is in m.x. Returns the passive sets tried, or
// 0 where it does not end.
static int pivot_box(const BoxMethod &b, BoxMemory &m, const double *total) {
  const int k = b.k;
  bool cold = true, tight = total != nullptr;
  for (int t = 0; t < k; ++t) {
    m.state[t] = m.a[t] <= m.low[t] ? kLow : m.a[t] >= m.high[t] ? kHigh : kFree;
    cold = cold && m.state[t] != kFree;
  }
  for (int t = 0; cold && t < k; ++t)
    if (m.low[t] < m.high[t])
      m.state[t] = kFree;
  if (tight && b.at_most)
    tight = sum_of(m.a, k) >= *total * (1 - 1e-9);
  const double steep = b.tolerance * (largest_of(m.p, k) + 1e-300);
  int fewest = k + 2, chances = 3;
  for (int tried = 1; tried <= b.most; ++tried) {
    double held = 0;
    int n_free = 0;
    for (int t = 0; t < k; ++t) {
      m.x[t] = m.state[t] == kLow ? m.low[t] : m.state[t] == kHigh ? m.high[t] : 0.0;
      held += m.x[t];
      n_free += m.state[t] == kFree;
    }
    double multiplier = 0;
    if (n_free) {
      gradient_of(b.gram, m.x, m.p, m.g, k);
      const BoxFactor &f = factor_box(b, m, n_free);
      for (int i = 0; i < n_free; ++i)
        m.z[i] = -m.g[f.place[i]];
      solve_box_set(b, f, m.z);
      if (tight) {
        const double slope = sum_of(f.ones, n_free);
        if (slope > 0)
          multiplier = (*total - held - sum_of(m.z, n_free)) / slope;
      }
      for (int i = 0; i < n_free; ++i)
        m.x[f.place[i]] = m.z[i] + multiplier * f.ones[i];
    }
    gradient_of(b.gram, m.x, m.p, m.g, k);
    const double slack = b.tolerance * largest_of(m.x, k) + 1e-300;
    int count = 0, last = -1;
    for (int t = 0; t < k; ++t) {
      const double y = m.g[t] - multiplier;
      const bool wrong = m.low[t] < m.high[t] &&
                         (m.state[t] == kLow    ? y < -steep
                          : m.state[t] == kHigh ? y > steep
                                                : m.x[t] < m.low[t] - slack ||
                                                      m.x[t] > m.high[t] + slack);
      m.wrong[t] = wrong;
      if (wrong)
        ++count, last = t;
    }
    bool turns = false;
    if (total) {
      const double excess = sum_of(m.x, k) - *total;
      if (b.at_most)
        turns = tight ? multiplier > steep : excess > slack;
      if (tight && !n_free && (excess > slack || excess < -slack)) {
        // without a free entry there is no multiplier: free the steepest one
        int best = -1;
        for (int t = 0; t < k; ++t) {
          const bool can = m.low[t] < m.high[t] &&
                           (excess < 0 ? m.x[t] < m.high[t] : m.x[t] > m.low[t]);
          if (can && (best < 0 || (excess < 0 ? m.g[t] < m.g[best] : m.g[t] > m.g[best])))
            best = t;
        }
        if (best < 0)
          return 0;
        for (int t = 0; t < k; ++t)
          m.wrong[t] = t == best;
        count = 1, last = best;
      }
    }
    const int all = count + turns;
    if (!all)
      return tried;
    if (all < fewest)
      fewest = all, chances = 3;
    else if (chances > 0)
      --chances;
    else if (count) { // exchanging the last one alone ends, by Murty's theorem
      for (int t = 0; t < k; ++t)
        m.wrong[t] = t == last;
      turns = false;
    }
    for (int t = 0; t < k; ++t)
      if (m.wrong[t])
        m.state[t] = m.state[t] != kFree ? kFree : m.x[t] < m.low[t] ? kLow : kHigh;
    tight ^= turns;
  }
  return 0;
}

// The squares of the projected gradient of the row m.a, whose gradient is m.g.
static void measure_box(const BoxMethod &b, const BoxMemory &m, const double *total,
                        double *measures) {
  const int k = b.k;
  double multiplier = 0;
  if (total) {
    double sum = 0, least = 1 / 1e-300;
    int count = 0;
    for (int t = 0; t < k; ++t) {
      if (m.a[t] > m.low[t] && m.a[t] < m.high[t])
        sum += m.g[t], ++count;
      least = m.g[t] < least ? m.g[t] : least;
    }
    multiplier = count ? sum / count : least;
    if (b.at_most) {
      const bool tight = sum_of(m.a, k) >= *total * (1 - 1e-6);
      multiplier = tight && multiplier < 0 ? multiplier : 0;
    }
  }
  for (int t = 0; t < k; ++t) {
    const double left = movable(m.g[t] - multiplier, m.a[t], m.low[t], m.high[t]);
    measures[t] += left * left;
  }
}

template <class T> static const T *row_of(const MatrixView<const T> &A, Index i) {
  return A.data + (A.rows > 1 ? i : 0) * A.stride;
}

template <class T>
static void solve_box(const BoxMethod &b, const BoxRows<T> &rows, Index first, Index last,
                      BoxSums &sums, void *scratch) {
  BoxMemory m = cut_box(scratch, b.k);
  const int k = b.k;
  double *const squares = sums.measures, *const linear = sums.measures + k;
  for (Index i = first; i < last; ++i) {
    const T *const start = row_of(rows.start, i), *const p = row_of(rows.P, i);
    const T *const low = row_of(rows.lower, i), *const high = row_of(rows.upper, i);
    T *const solved = rows.solved.data + i * rows.solved.stride;
    const double *const total = rows.total ? rows.total + i : nullptr;
    for (int t = 0; t < k; ++t) {
      m.a[t] = start[t], m.low[t] = low[t], m.high[t] = high[t];
      m.p[t] = double(p[t]) - b.l1[t];
      linear[t] += m.p[t] * m.p[t];
    }
    gradient_of(b.gram, m.a, m.p, m.g, k);
    if (!b.exact) {
      sums.sweeps += sweep_box(b, m, squares, sums.decrease);
      for (int t = 0; t < k; ++t)
        solved[t] = static_cast<T>(m.a[t]);
    } else {
      measure_box(b, m, total, squares);
      double before = 0, after = 0; // 1/2 a (g - p), the objective of a row
      for (int t = 0; t < k; ++t)
        before += 0.5 * m.a[t] * (m.g[t] - m.p[t]);
      const int tried = pivot_box(b, m, total);
      rows.unsolved[i] = tried == 0;
      if (!tried)
        continue;
      settle_box(b, m, total);
      for (int t = 0; t < k; ++t) {
        solved[t] = static_cast<T>(m.x[t]);
        m.x[t] = solved[t];
      }
      gradient_of(b.gram, m.x, m.p, m.g, k);
      for (int t = 0; t < k; ++t)
        after += 0.5 * m.x[t] * (m.g[t] - m.p[t]);
      sums.sweeps += tried;
      sums.decrease += before - after;
    }
    for (int t = 0; t < k; ++t)
      sums.cross += double(p[t]) * double(solved[t]);
  }
}

} // namespace nonneg::NONNEG_ISA
