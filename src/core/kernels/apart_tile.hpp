// Rows that have Gram matrices of their own, side by side: one row per SIMD lane. No operation
// crosses lanes, so that the bits of a row do not depend on its neighbours.
#pragma once

#include "kernels/row_gram.hpp"
#include "kernels/row_solve.hpp"
#include "kernels/simd.hpp"

namespace nonneg::NONNEG_ISA {

// Problems 1/2 a G a' - q a' over a >= 0 of kLanes<A> rows. Entries are vectors over the rows:
// G has k x k of them, the other arrays k.
template <class A> struct ApartTile {
  int k;
  A *G, *inverse; // and 1 / G[t,t], 0 without curvature
  A *q, *a, *g;   // g: the gradient G a - q
};

template <class A> NONNEG_INLINE Vec<A> lanes_of(const A *array, Index t) {
  return load<Vec<A>>(array + t * kLanes<A>);
}

// Turns the Gram matrices of kLanes<A> rows, each `size` numbers from the last one and of
// rows `width` apart, so that their entries are side by side. What is above the diagonal goes
// below it, too; a difference of sums may leave the diagonal a little below zero.
template <class A>
NONNEG_INLINE void turn_grams(const A *grams, Index size, int width, const ApartTile<A> &tile) {
  using V = Vec<A>;
  constexpr int L = kLanes<A>;
  const V zero = fill<V>(A(0));
  const int k = tile.k;
  const auto entry = [&](int r, int s) NONNEG_LAMBDA {
    return tile.G + (static_cast<Index>(r) * k + s) * L;
  };
  for (int r = 0; r < k; ++r)
    for (int s = r / L * L; s < k; s += L) {
      V v[L];
      unroll<L>([&](auto l) NONNEG_LAMBDA { v[l] = load<V>(grams + l * size + r * width + s); });
      transpose<L>(v);
      unroll<L>([&](auto l) NONNEG_LAMBDA {
        const int column = s + l;
        if (column == r)
          v[l] = v[l] > zero ? v[l] : zero;
        if (column >= r && column < k) {
          store(entry(r, column), v[l]);
          store(entry(column, r), v[l]);
        }
      });
    }
}

// g += step G[:,t].
template <class A>
NONNEG_INLINE void add_lane_columns(const ApartTile<A> &tile, int t, Vec<A> step) {
  constexpr int L = kLanes<A>;
  const A *const column = tile.G + static_cast<Index>(t) * tile.k * L;
  for (int s = 0; s < tile.k; ++s)
    store(tile.g + s * L, lanes_of(tile.g, s) + step * lanes_of(column, s));
}

template <class A> NONNEG_INLINE void set_lane_gradients(const ApartTile<A> &tile) {
  constexpr int L = kLanes<A>;
  for (int t = 0; t < tile.k; ++t)
    store(tile.g + t * L, -lanes_of(tile.q, t));
  for (int t = 0; t < tile.k; ++t)
    add_lane_columns(tile, t, lanes_of(tile.a, t));
}

template <class A> NONNEG_INLINE void set_inverses(const ApartTile<A> &tile, A least) {
  using V = Vec<A>;
  const V one = fill<V>(A(1)), zero = fill<V>(A(0));
  for (int t = 0; t < tile.k; ++t) {
    const V d = lanes_of(tile.G, static_cast<Index>(t) * (tile.k + 1));
    const auto curved = d > fill<V>(least);
    store(tile.inverse + t * kLanes<A>, curved ? one / (curved ? d : one) : zero);
  }
}

// What a sweep does to each row.
template <class A> struct LaneSweep {
  Vec<A> squares;           // of its steps
  Wide<A> violation;        // sum of |projected gradient|, each just before its step
};

// Sweeps the rows of which `alive` is 1; `measures`, if any, gets the sums over the rows of the
// squared projected gradient of each coordinate, just before its step.
template <class A>
NONNEG_INLINE LaneSweep<A> sweep_lanes(const ApartTile<A> &tile, const int64_t *order,
                                       Vec<A> alive, double *measures) {
  using V = Vec<A>;
  constexpr int L = kLanes<A>;
  const V zero = fill<V>(A(0));
  LaneSweep<A> done{zero, wide_zero<A>()};
  for (int c = 0; c < tile.k; ++c) {
    const int t = static_cast<int>(order[c]);
    const V gradient = lanes_of(tile.g, t), old = lanes_of(tile.a, t);
    const V inverse = lanes_of(tile.inverse, t), clipped = gradient < zero ? gradient : zero;
    const V projected = old > zero ? gradient : clipped;
    const Wide<A> wide = widened<A>(projected);
    done.violation += widened<A>(projected < zero ? -projected : projected);
    if (measures)
      measures[t] += sum_wide<A>(wide * wide);
    V moved = old - gradient * inverse;
    moved = moved > zero ? moved : zero;
    // without curvature a coordinate stays
    moved = (inverse > zero) & (alive > zero) ? moved : old;
    const V step = moved - old;
    store(tile.a + t * L, moved);
    done.squares += step * step;
    if (sum_lanes<A>(step * step) > 0)
      add_lane_columns(tile, t, step);
  }
  return done;
}

// Sweeps each row until its squared steps are `settled` of those of its first sweep, `most`
// times at most; returns the number of sweeps over rows, of which the first n count.
template <class A>
NONNEG_INLINE double adapt_lanes(const ApartTile<A> &tile, const int64_t *order, int most,
                                 double settled, int n, double *measures) {
  using V = Vec<A>;
  const V zero = fill<V>(A(0)), one = fill<V>(A(1));
  V alive = one, first = zero;
  double sweeps = 0;
  for (int number = 0; number < most; ++number) {
    const V squares = sweep_lanes(tile, order, alive, number == 0 ? measures : nullptr).squares;
    sweeps += number == 0 ? n : sum_lanes<A>(alive);
    if (number == 0)
      first = fill<V>(static_cast<A>(settled)) * squares;
    alive = squares > (number == 0 ? zero : first) ? alive : zero;
    if (!(sum_lanes<A>(alive) > 0))
      break;
  }
  return sweeps;
}

// ---- exact rows ------------------------------------------------------------------------

// Memory of exact rows: k x k vectors of L D by rows, of it over D, and k each.
struct LanePivot {
  double *factor, *scaled, *inverse, *z, *unit, *passive, *wrong; // masks are 1 or 0
};

// L D L' of the Gram matrices on the passive sets; returns 1 for rows whose set is dependent.
static Vec<double> factor_lanes(const ApartTile<double> &tile, const LanePivot &p) {
  using V = Vec<double>;
  constexpr int L = kLanes<double>, R = 4;
  const int k = tile.k;
  const V one = fill<V>(1.0), zero = fill<V>(0.0);
  V failed = zero;
  const auto row_of = [&](double *matrix, int i) NONNEG_LAMBDA {
    return matrix + static_cast<Index>(i) * k * L;
  };
  // entry (i, j) of L D is that of G less the products of the columns before j
  const auto one_entry = [&](int i, int j) NONNEG_LAMBDA {
    const double *const row = row_of(p.factor, i), *const other = row_of(p.scaled, j);
    V sum = lanes_of(tile.G, static_cast<Index>(i) * k + j) * lanes_of(p.passive, i) *
            lanes_of(p.passive, j);
    for (int c = 0; c < j; ++c)
      sum -= lanes_of(row, c) * lanes_of(other, c);
    return sum;
  };
  for (int first = 0; first < k; first += R) {
    const int n = smaller(R, k - first);
    for (int j = 0; j < first; ++j) {
      const double *const other = row_of(p.scaled, j);
      if (n == R) {
        V sum[R];
        unroll<R>([&](auto r) NONNEG_LAMBDA {
          sum[r] = lanes_of(tile.G, static_cast<Index>(first + r) * k + j) *
                   lanes_of(p.passive, first + r) * lanes_of(p.passive, j);
        });
        for (int c = 0; c < j; ++c) {
          const V f = lanes_of(other, c);
          unroll<R>([&](auto r) NONNEG_LAMBDA {
            sum[r] -= lanes_of(row_of(p.factor, first + r), c) * f;
          });
        }
        unroll<R>([&](auto r) NONNEG_LAMBDA {
          store(row_of(p.factor, first + r) + j * L, sum[r]);
        });
      } else {
        for (int i = first; i < k; ++i)
          store(row_of(p.factor, i) + j * L, one_entry(i, j));
      }
    }
    for (int i = first; i < first + n; ++i) {
      double *const row = row_of(p.factor, i), *const scaled = row_of(p.scaled, i);
      for (int j = first; j < i; ++j)
        store(row + j * L, one_entry(i, j));
      const V diagonal = lanes_of(tile.G, static_cast<Index>(i) * k + i);
      const V passive = lanes_of(p.passive, i);
      V pivot = diagonal;
      for (int j = 0; j < i; ++j) {
        const V entry = lanes_of(row, j), over = entry * lanes_of(p.inverse, j);
        store(scaled + j * L, over);
        pivot -= entry * over;
      }
      const auto sound = (pivot > diagonal * fill<V>(kRowPivot)) & (pivot > zero);
      failed = (passive > zero) & ~sound ? one : failed;
      const auto counts = (passive > zero) & sound;
      store(p.inverse + i * L, counts ? one / (counts ? pivot : one) : zero);
    }
  }
  return failed;
}

// a on the passive sets, 0 elsewhere, where `active` is 1.
static void solve_sets(const ApartTile<double> &tile, const LanePivot &p, Vec<double> active) {
  using V = Vec<double>;
  constexpr int L = kLanes<double>;
  const int k = tile.k;
  for (int i = 0; i < k; ++i) {
    const double *const scaled = p.scaled + static_cast<Index>(i) * k * L;
    V sum = lanes_of(tile.q, i) * lanes_of(p.passive, i), other = fill<V>(0.0);
    int j = 0;
    for (; j + 1 < i; j += 2) {
      sum -= lanes_of(scaled, j) * lanes_of(p.z, j);
      other -= lanes_of(scaled, j + 1) * lanes_of(p.z, j + 1);
    }
    if (j < i)
      sum -= lanes_of(scaled, j) * lanes_of(p.z, j);
    store(p.z + i * L, sum + other);
  }
  for (int j = k - 1; j >= 0; --j) {
    const double *const row = p.factor + static_cast<Index>(j) * k * L;
    const V x = lanes_of(p.z, j) * lanes_of(p.inverse, j);
    for (int i = 0; i < j; ++i)
      store(p.z + i * L, lanes_of(p.z, i) - lanes_of(row, i) * x);
    store(tile.a + j * L, active > fill<V>(0.0) ? x : lanes_of(tile.a, j));
  }
}

// The exact rows, each from the passive set of its positive entries, by Kim and Park's rule
// of exchanges; returns 1 for rows that are not done: where pivoting goes round, or the Gram
// matrix has no full rank.
static Vec<double> pivot_lanes(const ApartTile<double> &tile, const LanePivot &p,
                               double tolerance, int n, double &factorizations) {
  using V = Vec<double>;
  constexpr int L = kLanes<double>;
  const int k = tile.k;
  const V one = fill<V>(1.0), zero = fill<V>(0.0);
  V scale = zero;
  for (int t = 0; t < k; ++t) {
    const V d = lanes_of(tile.G, static_cast<Index>(t) * (k + 1));
    V unit = zero;
    for (int l = 0; l < L; ++l)
      unit[l] = d[l] > 0 ? 1 / __builtin_sqrt(d[l]) : 0;
    store(p.unit + t * L, unit);
    store(p.passive + t * L, (lanes_of(tile.a, t) > zero) & (d > zero) ? one : zero);
    const V q = lanes_of(tile.q, t) * unit, size = q < zero ? -q : q;
    scale = size > scale ? size : scale;
  }
  const V slack = -fill<V>(tolerance) * scale;
  const V many = fill<V>(static_cast<double>(kRowFullExchanges));
  V active = zero, failed = zero, fewest = fill<V>(k + 1.0), chances = many;
  for (int l = 0; l < n; ++l)
    active[l] = 1;
  for (int loop = 0; loop < kRowLoops + k / 4; ++loop) {
    factorizations += sum_lanes<double>(active);
    const V dependent = factor_lanes(tile, p);
    failed = (dependent > zero) & (active > zero) ? one : failed;
    active = dependent > zero ? zero : active;
    solve_sets(tile, p, active);
    set_lane_gradients(tile);
    V wrong = zero, last = fill<V>(-1.0);
    for (int t = 0; t < k; ++t) {
      const V unit = lanes_of(p.unit, t), passive = lanes_of(p.passive, t);
      const auto low = lanes_of(tile.a, t) < slack * unit;
      const auto falls = (lanes_of(tile.g, t) * unit < slack) & (unit > zero);
      const auto out = (passive > zero) ? low : falls;
      store(p.wrong + t * L, out ? one : zero);
      wrong += out ? one : zero;
      last = out ? fill<V>(static_cast<double>(t)) : last;
    }
    active = wrong > zero ? active : zero;
    if (!(sum_lanes<double>(active) > 0))
      break;
    const auto fewer = wrong < fewest;
    const auto all = fewer | (chances > zero);
    chances = fewer ? many : chances - one;
    fewest = fewer ? wrong : fewest;
    for (int t = 0; t < k; ++t) {
      const V passive = lanes_of(p.passive, t);
      const auto moves = (lanes_of(p.wrong, t) > zero) & (active > zero) &
                         (all | (last == fill<V>(static_cast<double>(t))));
      store(p.passive + t * L, moves ? one - passive : passive);
    }
  }
  for (int t = 0; t < k; ++t) {
    const V a = lanes_of(tile.a, t);
    store(tile.a + t * L, a > zero ? a : zero);
  }
  return active + failed;
}

} // namespace nonneg::NONNEG_ISA
