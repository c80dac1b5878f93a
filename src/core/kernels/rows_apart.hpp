// Rows of a factor that have Gram matrices of their own, one after the other.
#pragma once

#include "kernels/observed_interface.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/pivoting.hpp"
#include "kernels/row_arrays.hpp"
#include "kernels/row_gram.hpp"
#include "kernels/row_solve.hpp"

namespace nonneg::NONNEG_ISA {

template <class T> constexpr double kRowTolerance = sizeof(T) == 4 ? 1e-8 : 1e-12;

// Bytes of scratch for one row.
static size_t apart_bytes(int k) {
  const size_t width = static_cast<size_t>(row_gram_width<double>(k)) + 16;
  return sizeof(double) * (3 * width * width + (kRankRows + 16) * (width + 1) + 64) +
         exact_scratch(k);
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
  cuts.gathered = take(static_cast<Index>(kRankRows) * (width + 1));
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
template <class A> NONNEG_INLINE double row_value(const OwnRow<A> &row) {
  double value = 0;
  for (int t = 0; t < row.k; ++t)
    value += static_cast<double>(row.a[t]) *
             (static_cast<double>(row.g[t]) - static_cast<double>(row.q[t]));
  return 0.5 * value;
}

template <class A>
static void adapt_row(const OwnRow<A> &row, const Apart &apart, int most, double settled,
                      A least, double &sweeps, double *squares = nullptr) {
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

// Solves for the row whose problem is in `cuts`.
template <class T, class A>
NONNEG_INLINE void solve_own(const Apart &apart, ApartMemory<A> &cuts, ApartSums &sums) {
  const OwnRow<A> &row = cuts.row;
  const int k = row.k;
  const A least = sizeof(A) == 4 ? A(1.17549435e-38f) : A(2.2250738585072014e-308);
  set_gradient(row);
  for (int t = 0; t < k; ++t) {
    const double gradient = static_cast<double>(row.g[t]);
    const double projected = row.a[t] > A(0) || gradient < 0 ? gradient : 0;
    const double linear = static_cast<double>(row.q[t]);
    if (apart.method == Method::exact)
      sums.measures[t] += projected * projected;
    sums.measures[k + t] += linear * linear;
  }
  if (apart.method == Method::sweep) {
    sums.sums.violation += sweep_row(row, apart.order, least).violation;
    return;
  }
  const double before = row_value(row);
  if (apart.method == Method::adaptive) {
    adapt_row(row, apart, apart.most, apart.settled, least, sums.sums.sweeps, sums.measures);
  } else if constexpr (sizeof(A) == sizeof(double)) {
    double unused = 0;
    adapt_row(row, apart, apart.most, apart.settled, least, unused);
    if (!pivot_row(row, cuts.pivot, kRowTolerance<T>, sums.sums.sweeps))
      finish_row(cuts);
  }
  sums.sums.decrease += before - row_value(row);
}

template <class T, class I, class A>
static void rows_apart_in(const CsrView<T, I> &named, Index first, Index last, const T *B,
                          int kp, const Apart &apart, const RowArrays<T> &rows,
                          MatrixView<const T> P, ApartSums &sums, void *scratch) {
  const int k = apart.k;
  ApartMemory<A> cuts = cut_apart<A>(scratch, k);
  const int width = cuts.row.width;
  for (Index i = first; i < last; ++i) {
    for (int r = 0; r < width; ++r)
      for (int t = 0; t < width; ++t)
        cuts.G[r * width + t] =
            r < k && t < k ? static_cast<A>(apart.base[r * k + t]) : A(0);
    const Index from = named.indptr[i];
    add_rank<A>(named.indices + from, named.values + from,
                static_cast<Index>(named.indptr[i + 1]) - from, B, kp, k, cuts.G, cuts.gathered);
    close_gram(k, cuts.G);
    const double quadratic = apart.quadratic ? apart.quadratic[i] : 1;
    const double linear = apart.linear ? apart.linear[i] : 1;
    for (int r = 0; r < k; ++r)
      for (int t = 0; t < k; ++t)
        cuts.G[r * width + t] += static_cast<A>(quadratic * apart.Q[r * k + t]);
    const T *a = rows.start.data + i * rows.start.stride, *p = P.data + i * P.stride;
    for (int t = 0; t < width; ++t) {
      cuts.q[t] = t < k ? static_cast<A>(static_cast<double>(p[t]) - linear * apart.l1[t]) : A(0);
      cuts.row.a[t] = t < k ? static_cast<A>(a[t]) : A(0);
    }
    solve_own<T, A>(apart, cuts, sums);
    T *out = rows.solved.data + i * rows.solved.stride;
    double penalty = 0;
    for (int t = 0; t < k; ++t) {
      const T solved = static_cast<T>(cuts.row.a[t]);
      out[t] = solved;
      sums.sums.cross += static_cast<double>(p[t]) * static_cast<double>(cuts.row.a[t]);
      sums.square += static_cast<double>(cuts.row.a[t]) *
                     (static_cast<double>(cuts.row.g[t]) + static_cast<double>(cuts.q[t]));
      double bent = 0;
      for (int s = 0; s < k; ++s)
        bent += apart.Q[t * k + s] * static_cast<double>(cuts.row.a[s]);
      penalty += static_cast<double>(cuts.row.a[t]) * bent;
    }
    sums.square -= quadratic * penalty;
  }
  if (rows.moved.data)
    extrapolate(block_of(rows, first, last), static_cast<T>(apart.momentum));
}

template <class T, class I>
static void rows_apart(const CsrView<T, I> &named, Index first, Index last, const T *B, int kp,
                       const Apart &apart, const RowArrays<T> &rows, MatrixView<const T> P,
                       ApartSums &sums, void *scratch) {
  if (apart.narrow && apart.method != Method::exact)
    rows_apart_in<T, I, T>(named, first, last, B, kp, apart, rows, P, sums, scratch);
  else
    rows_apart_in<T, I, double>(named, first, last, B, kp, apart, rows, P, sums, scratch);
}

} // namespace nonneg::NONNEG_ISA
