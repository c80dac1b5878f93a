// The problem of each row that names entries of its own: its Gram matrix, or its components at
// the entries, with the penalties.
#pragma once

#include "kernels/fitted_row.hpp"
#include "kernels/observed_interface.hpp"
#include "kernels/row_gram.hpp"
#include "kernels/row_solve.hpp"

namespace nonneg::NONNEG_ISA {

// Gram matrices of the rows with their penalties.
template <class T, class I, class A> struct RowGrams {
  const CsrView<T, I> &named;
  const T *B;
  int kp;
  const Apart &apart;
  A *gathered;
  bool bent, mixed; // whether there is a quadratic penalty, and one that ties components

  RowGrams(const CsrView<T, I> &n, const T *b, int width, const Apart &a, A *memory)
      : named(n), B(b), kp(width), apart(a), gathered(memory), bent(false), mixed(false) {
    for (int r = 0; r < a.k; ++r)
      for (int t = 0; t < a.k; ++t)
        (r == t ? bent : mixed) |= a.Q[r * a.k + t] != 0;
    bent |= mixed;
  }

  double quadratic(Index i) const { return apart.quadratic ? apart.quadratic[i] : 1; }

  // The base in the rows' precision, with zeros beside it.
  void widen(A *wide) const {
    const int k = apart.k, width = row_gram_width<A>(k);
    for (int r = 0; r < width; ++r)
      for (int t = 0; t < width; ++t)
        wide[r * width + t] = r < k && t < k ? static_cast<A>(apart.base[r * k + t]) : A(0);
  }

  // G, which is the base, becomes the matrix of row i, on and above the diagonal.
  // Rows before `last` are fetched while this one is summed.
  void add(Index i, Index last, A *G) const {
    const Index from = named.indptr[i], end = named.indptr[i + 1];
    add_rank<A>(named.indices + from, named.values + from, end - from,
                static_cast<Index>(named.indptr[last]) - from, B, kp, apart.k, G, gathered);
  }

  void penalise(Index i, A *G) const {
    const int k = apart.k, width = row_gram_width<A>(k);
    for (int r = 0; bent && r < k; ++r)
      for (int t = mixed ? 0 : r; t < (mixed ? k : r + 1); ++t)
        G[r * width + t] += static_cast<A>(quadratic(i) * apart.Q[r * k + t]);
  }

  Index entries(Index i) const { return named.indptr[i + 1] - named.indptr[i]; }

  // The problem of row i, which has at most k entries, by the values that it fits: C is where
  // a Gram matrix would be.
  FittedRow<A> fitted(Index i, const OwnRow<A> &row, A *C) const {
    const int k = apart.k, n = fitted_width<A>(entries(i));
    const int width = row_gram_width<A>(k);
    A *const bend = gathered, *const curvature = bend + width, *const fits = curvature + width;
    const Index from = named.indptr[i];
    gather_components(named.indices + from, named.values + from, static_cast<int>(entries(i)), B,
                      kp, k, n, C, curvature);
    for (int t = 0; t < k; ++t) {
      bend[t] = bent ? static_cast<A>(quadratic(i) * apart.Q[t * k + t]) : A(0);
      curvature[t] += bend[t];
    }
    return {C, bend, curvature, row.q, fits, row.a, row.g, k, n};
  }

  // The linear term of a row's problem, entry t.
  A linear(Index i, int t, T p) const {
    const double share = apart.linear ? apart.linear[i] : 1;
    return static_cast<A>(static_cast<double>(p) - share * apart.l1[t]);
  }

  // Writes the row a of numbers `step` apart, and adds <p, a> and the quadratic penalty.
  void write(Index i, const A *a, Index step, const T *p, T *out, ApartSums &sums) const {
    double penalty = 0;
    for (int t = 0; t < apart.k; ++t) {
      const double x = static_cast<double>(a[t * step]);
      out[t] = static_cast<T>(a[t * step]);
      sums.sums.cross += static_cast<double>(p[t]) * x;
      for (int s = mixed ? 0 : t; bent && s < (mixed ? apart.k : t + 1); ++s)
        penalty += x * apart.Q[t * apart.k + s] * static_cast<double>(a[s * step]);
    }
    sums.square -= quadratic(i) * penalty;
  }
};

} // namespace nonneg::NONNEG_ISA
