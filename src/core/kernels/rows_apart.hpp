// Rows of a factor that have Gram matrices of their own: side by side, or one after the other
// where the matrices are too large.
#pragma once

#include "kernels/apart_tile.hpp"
#include "kernels/block_scratch.hpp"
#include "kernels/observed_interface.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/pivoting.hpp"
#include "kernels/row_arrays.hpp"
#include "kernels/row_problems.hpp"
#include "kernels/row_solve.hpp"

namespace nonneg::NONNEG_ISA {

template <class T> constexpr double kRowTolerance = sizeof(T) == 4 ? 1e-8 : 1e-12;

// Components up to which rows are solved for side by side: their Gram matrices must stay in
// the cache (D-CORE-APART-TILES).
constexpr int kMostTiled = 64;
// Components from which sweeps over a row of at most as many entries go by the values that it
// fits; below, side by side is quicker (D-CORE-FITTED-ROWS).
template <class A> constexpr int kLeastFitted = sizeof(A) == 4 ? 96 : kMostTiled + 1;

// Sweeps before pivoting at most: more of them cost more than the passive sets that they spare
// (D-CORE-APART-SWEEPS).
constexpr int kTiledSweeps = 2;

NONNEG_INLINE size_t tile_bytes(int k) {
  const size_t width = static_cast<size_t>(row_gram_width<double>(k)) + 16;
  return k > kMostTiled ? 0 : NONNEG_VECTOR_BYTES * (4 * width * width + 16 * width);
}

// Bytes of scratch for one row, and for a tile of rows behind it.
static size_t apart_bytes(int k) {
  const size_t width = static_cast<size_t>(row_gram_width<double>(k)) + 16;
  return rounded(sizeof(double) * (3 * width * width + (2 * kRankRows + 16) * width + 64) +
                 exact_scratch(k)) +
         tile_bytes(k);
}

template <class A> struct ApartMemory {
  OwnRow<A> row;
  A *G, *q, *gathered;
  RowPivot pivot;
  double *whole, *none; // k x k numbers, and k zeros
  void *rest;           // for exact_rows
};

template <class A> static ApartMemory<A> cut_apart(void *scratch, int k) {
  const int width = row_gram_width<A>(k);
  A *memory = static_cast<A *>(scratch);
  const auto take = [&](Index n) NONNEG_LAMBDA {
    A *const place = memory;
    memory += n;
    return place;
  };
  ApartMemory<A> cuts{};
  cuts.G = take(static_cast<Index>(width) * width);
  cuts.q = take(width);
  cuts.row = {cuts.G, cuts.q, take(width), take(width), k, width};
  cuts.gathered = take(static_cast<Index>(2 * kRankRows) * width);
  if constexpr (sizeof(A) == sizeof(double)) {
    cuts.pivot.factor = take(static_cast<Index>(width) * width);
    for (double **array : {&cuts.pivot.scaled, &cuts.pivot.inverse, &cuts.pivot.z, &cuts.pivot.unit})
      *array = take(width);
    cuts.pivot.list = reinterpret_cast<int64_t *>(take(width));
    cuts.pivot.passive = reinterpret_cast<int64_t *>(take(width));
    cuts.none = take(width);
    cuts.whole = take(static_cast<Index>(width) * width);
    cuts.rest = cuts.whole + (static_cast<Index>(width) * width + 7) / 8 * 8;
  }
  return cuts;
}

// The objective without its constant: 1/2 a (g - q).
template <class Row> NONNEG_INLINE double row_value(const Row &row) {
  double value = 0;
  for (int t = 0; t < row.k; ++t)
    value += static_cast<double>(row.a[t]) *
             (static_cast<double>(row.g[t]) - static_cast<double>(row.q[t]));
  return 0.5 * value;
}

template <class Row, class A>
static void adapt_row(const Row &row, const Apart &apart, int most, double settled, A least,
                      double &sweeps, double *squares = nullptr) {
  double first = 0;
  for (int number = 0; number < most; ++number) {
    const RowSweep done = sweep_row(row, apart.order, least, number == 0 ? squares : nullptr);
    sweeps += 1;
    if (number == 0)
      first = settled * done.squares;
    if (done.squares <= (number == 0 ? 0.0 : first))
      break;
  }
}

// Finishes a row that pivoting leaves, as where it shows fewer entries than components.
static void finish_row(ApartMemory<double> &cuts) {
  const OwnRow<double> &row = cuts.row;
  for (int r = 0; r < row.k; ++r) {
    cuts.none[r] = 0;
    row.a[r] = row.a[r] > 0 && row.a[r] < 1e300 ? row.a[r] : 0;
    for (int t = 0; t < row.k; ++t)
      cuts.whole[r * row.k + t] = row.G[static_cast<Index>(r) * row.width + t];
  }
  const Exact exact{cuts.whole, cuts.none, nullptr, row.k};
  ExactSums unused;
  exact_rows<double>(exact, {row.a, 1, row.k, row.k}, {row.q, 1, row.k, row.k}, nullptr, unused,
                     cuts.rest);
  set_gradient(row);
}

template <class A> constexpr A kLeastCurvature = sizeof(A) == 4 ? A(1.17549435e-38f)
                                                            : A(2.2250738585072014e-308);

// Adds what is measured before a solve.
template <class Row>
NONNEG_INLINE void measure_row(const Row &row, const Apart &apart, ApartSums &sums) {
  for (int t = 0; t < row.k; ++t) {
    const double gradient = static_cast<double>(row.g[t]);
    const double projected = row.a[t] > 0 || gradient < 0 ? gradient : 0;
    const double linear = static_cast<double>(row.q[t]);
    if (apart.method == Method::exact)
      sums.measures[t] += projected * projected;
    sums.measures[row.k + t] += linear * linear;
  }
}

// Sweeps over a row whose gradient is set, once or adaptively.
template <class Row, class A>
NONNEG_INLINE void sweep_own(const Apart &apart, const Row &row, A least, ApartSums &sums) {
  measure_row(row, apart, sums);
  if (apart.method == Method::sweep) {
    sums.sums.violation += sweep_row(row, apart.order, least).violation;
    close_sweeps(row);
    return;
  }
  const double before = row_value(row);
  adapt_row(row, apart, apart.most, apart.settled, least, sums.sums.sweeps, sums.measures);
  close_sweeps(row);
  sums.sums.decrease += before - row_value(row);
}

// Solves for the row whose problem is in `cuts`.
template <class T, class A>
NONNEG_INLINE void solve_own(const Apart &apart, ApartMemory<A> &cuts, ApartSums &sums) {
  const OwnRow<A> &row = cuts.row;
  set_gradient(row);
  if (apart.method != Method::exact) {
    sweep_own(apart, row, kLeastCurvature<A>, sums);
    return;
  }
  if constexpr (sizeof(A) == sizeof(double)) {
    measure_row(row, apart, sums);
    const double before = row_value(row);
    double unused = 0;
    adapt_row(row, apart, apart.most, apart.settled, kLeastCurvature<A>, unused);
    if (!pivot_row(row, cuts.pivot, kRowTolerance<T>, sums.sums.sweeps))
      finish_row(cuts);
    sums.sums.decrease += before - row_value(row);
  }
}

template <class T, class I, class A>
static void rows_apart_in(const CsrView<T, I> &named, Index first, Index last, const T *B,
                          int kp, const Apart &apart, const RowArrays<T> &rows,
                          MatrixView<const T> P, ApartSums &sums, void *scratch) {
  const int k = apart.k;
  ApartMemory<A> cuts = cut_apart<A>(scratch, k);
  const int width = cuts.row.width;
  const RowGrams<T, I, A> grams(named, B, kp, apart, cuts.gathered);
  const bool may_fit = apart.narrow && apart.method != Method::exact && !grams.mixed &&
                       k >= kLeastFitted<A>;
  for (Index i = first; i < last; ++i) {
    const T *a = rows.start.data + i * rows.start.stride, *p = P.data + i * P.stride;
    for (int t = 0; t < width; ++t) {
      cuts.q[t] = t < k ? grams.linear(i, t, p[t]) : A(0);
      cuts.row.a[t] = t < k ? static_cast<A>(a[t]) : A(0);
    }
    if (may_fit && grams.entries(i) <= k) {
      const FittedRow<A> row = grams.fitted(i, cuts.row, cuts.G);
      set_gradient(row);
      sweep_own(apart, row, kLeastCurvature<A>, sums);
    } else {
      grams.widen(cuts.G);
      grams.add(i, last, cuts.G);
      close_gram(k, cuts.G);
      grams.penalise(i, cuts.G);
      solve_own<T, A>(apart, cuts, sums);
    }
    for (int t = 0; t < k; ++t)
      sums.square += static_cast<double>(cuts.row.a[t]) *
                     (static_cast<double>(cuts.row.g[t]) + static_cast<double>(cuts.q[t]));
    grams.write(i, cuts.row.a, 1, p, rows.solved.data + i * rows.solved.stride, sums);
  }
}

// ---- rows side by side -----------------------------------------------------------------

// Memory of a tile behind that of a row.
template <class A> struct TiledMemory {
  A *grams; // of each row, `size` apart
  Index size;
  ApartTile<A> tile;
  LanePivot pivot;
};

template <class A> static TiledMemory<A> cut_tile(void *rest, int k) {
  constexpr int L = kLanes<A>;
  const Index width = row_gram_width<A>(k), size = width * width;
  A *memory = static_cast<A *>(rest);
  const auto take = [&](Index n) NONNEG_LAMBDA {
    A *const place = memory;
    memory += n * L;
    return place;
  };
  TiledMemory<A> cuts{};
  cuts.grams = take(size);
  cuts.size = size;
  cuts.tile.k = k;
  cuts.tile.G = take(size);
  for (A **array : {&cuts.tile.inverse, &cuts.tile.q, &cuts.tile.a, &cuts.tile.g})
    *array = take(width);
  if constexpr (sizeof(A) == sizeof(double)) {
    LanePivot &p = cuts.pivot;
    p.factor = take(size);
    p.scaled = take(size);
    for (double **array : {&p.inverse, &p.z, &p.unit, &p.passive, &p.wrong})
      *array = take(width);
  }
  return cuts;
}

// The objectives of the rows without their constant, summed.
template <class A> NONNEG_INLINE double tile_value(const ApartTile<A> &tile) {
  Wide<A> value = wide_zero<A>();
  for (int t = 0; t < tile.k; ++t)
    value += widened<A>(lanes_of(tile.a, t)) *
             (widened<A>(lanes_of(tile.g, t)) - widened<A>(lanes_of(tile.q, t)));
  return 0.5 * sum_wide<A>(value);
}

// Solves for n rows whose problems are in the tile.
template <class T, class A>
static void solve_tile(const Apart &apart, const TiledMemory<A> &cuts, ApartMemory<A> &own, int n,
                       ApartSums &sums) {
  constexpr int L = kLanes<A>;
  const ApartTile<A> &tile = cuts.tile;
  const int k = apart.k;
  set_inverses(tile, kLeastCurvature<A>);
  set_lane_gradients(tile);
  const Vec<A> zero = fill<Vec<A>>(A(0));
  for (int t = 0; t < k; ++t) {
    const Vec<A> gradient = lanes_of(tile.g, t), clipped = gradient < zero ? gradient : zero;
    const Wide<A> projected = widened<A>(lanes_of(tile.a, t) > zero ? gradient : clipped);
    const Wide<A> linear = widened<A>(lanes_of(tile.q, t));
    if (apart.method == Method::exact)
      sums.measures[t] += sum_wide<A>(projected * projected);
    sums.measures[k + t] += sum_wide<A>(linear * linear);
  }
  const Vec<A> all = fill<Vec<A>>(A(1));
  if (apart.method == Method::sweep) {
    sums.sums.violation +=
        sum_wide<A>(sweep_lanes(tile, apart.order, all, nullptr).violation);
    return;
  }
  const double before = tile_value(tile);
  if (apart.method == Method::adaptive) {
    sums.sums.sweeps +=
        adapt_lanes(tile, apart.order, apart.most, apart.settled, n, sums.measures);
  } else if constexpr (sizeof(A) == sizeof(double)) {
    const int most = smaller(apart.most, kTiledSweeps);
    adapt_lanes(tile, apart.order, most, apart.settled, n, nullptr);
    const Vec<double> left =
        pivot_lanes(tile, cuts.pivot, kRowTolerance<T>, n, sums.sums.sweeps);
    for (int l = 0; l < n; ++l) {
      if (!(left[l] > 0))
        continue;
      close_gram(k, cuts.grams + l * cuts.size);
      own.row.G = cuts.grams + l * cuts.size;
      for (int t = 0; t < k; ++t) {
        own.row.a[t] = tile.a[t * L + l];
        own.q[t] = tile.q[t * L + l];
      }
      finish_row(own);
      for (int t = 0; t < k; ++t) {
        tile.a[t * L + l] = own.row.a[t];
        tile.g[t * L + l] = own.row.g[t];
      }
    }
  }
  sums.sums.decrease += before - tile_value(tile);
}

template <class T, class I, class A>
static void tiles_apart_in(const CsrView<T, I> &named, Index first, Index last, const T *B,
                           int kp, const Apart &apart, const RowArrays<T> &rows,
                           MatrixView<const T> P, ApartSums &sums, void *scratch) {
  constexpr int L = kLanes<A>;
  const int k = apart.k;
  ApartMemory<A> own = cut_apart<A>(scratch, k);
  const size_t row_bytes = apart_bytes(k) - tile_bytes(k);
  const TiledMemory<A> cuts = cut_tile<A>(static_cast<char *>(scratch) + row_bytes, k);
  const ApartTile<A> &tile = cuts.tile;
  const RowGrams<T, I, A> grams(named, B, kp, apart, own.gathered);
  grams.widen(own.G);
  for (int t = 0; t < own.row.width; ++t)
    own.row.a[t] = own.q[t] = 0;
  for (Index i = first; i < last; i += L) {
    const int n = static_cast<int>(smaller<Index>(L, last - i));
    for (int l = 0; l < L; ++l) {
      A *const G = cuts.grams + l * cuts.size;
      if (l >= n) {
        for (Index t = 0; t < cuts.size; ++t)
          G[t] = 0;
        for (int t = 0; t < k; ++t)
          tile.q[t * L + l] = tile.a[t * L + l] = 0;
        continue;
      }
      __builtin_memcpy(G, own.G, sizeof(A) * static_cast<size_t>(cuts.size));
      grams.add(i + l, last, G);
      grams.penalise(i + l, G);
      const T *a = rows.start.data + (i + l) * rows.start.stride;
      const T *p = P.data + (i + l) * P.stride;
      for (int t = 0; t < k; ++t) {
        tile.q[t * L + l] = grams.linear(i + l, t, p[t]);
        tile.a[t * L + l] = static_cast<A>(a[t]);
      }
    }
    turn_grams(cuts.grams, cuts.size, own.row.width, tile);
    solve_tile<T>(apart, cuts, own, n, sums);
    Wide<A> square = wide_zero<A>();
    for (int t = 0; t < k; ++t)
      square += widened<A>(lanes_of(tile.a, t)) *
                (widened<A>(lanes_of(tile.g, t)) + widened<A>(lanes_of(tile.q, t)));
    sums.square += sum_wide<A>(square);
    for (int l = 0; l < n; ++l)
      grams.write(i + l, tile.a + l, L, P.data + (i + l) * P.stride,
                  rows.solved.data + (i + l) * rows.solved.stride, sums);
  }
}

template <class T, class I>
static void rows_apart(const CsrView<T, I> &named, Index first, Index last, const T *B, int kp,
                       const Apart &apart, const RowArrays<T> &rows, MatrixView<const T> P,
                       ApartSums &sums, void *scratch) {
  const bool narrow = apart.narrow && apart.method != Method::exact;
  if (apart.k <= kMostTiled && narrow)
    tiles_apart_in<T, I, T>(named, first, last, B, kp, apart, rows, P, sums, scratch);
  else if (apart.k <= kMostTiled)
    tiles_apart_in<T, I, double>(named, first, last, B, kp, apart, rows, P, sums, scratch);
  else if (narrow)
    rows_apart_in<T, I, T>(named, first, last, B, kp, apart, rows, P, sums, scratch);
  else
    rows_apart_in<T, I, double>(named, first, last, B, kp, apart, rows, P, sums, scratch);
  if (rows.moved.data)
    extrapolate(block_of(rows, first, last), static_cast<T>(apart.momentum));
}

} // namespace nonneg::NONNEG_ISA
