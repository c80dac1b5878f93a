// Solves for both factors, one after the other, and what is measured of the pair: what
// solvers/steps/quadratic_iteration.py does, for several solves in one call.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "drivers/half_step.hpp"
#include "drivers/products.hpp"
#include "drivers/turns.hpp"

namespace nonneg {

// Solves beside a Gram matrix, in the precision of X.
template <class T> class SolvesBeside {
public:
  SolvesBeside(int sweeps, T settled, size_t k) : gram_(k * k), inverse_(k), l1_(k), order_(k) {
    for (size_t t = 0; t < k; ++t)
      order_[t] = static_cast<int64_t>(t);
    solve_.method = Method::adaptive;
    solve_.most = sweeps;
    solve_.settled = settled;
    solve_.sweep = {gram_.data(), inverse_.data(), l1_.data(), order_.data(), static_cast<int>(k)};
  }

  const Solve<T> &sweeps(const double *gram, double momentum) {
    for (size_t i = 0; i < gram_.size(); ++i)
      gram_[i] = static_cast<T>(gram[i]);
    for (size_t t = 0; t < inverse_.size(); ++t) {
      const T curvature = gram_[t * (inverse_.size() + 1)];
      // a subnormal curvature has an infinite reciprocal: too flat to step along
      inverse_[t] = curvature > std::numeric_limits<T>::min() ? 1 / curvature : T(0);
    }
    solve_.momentum = static_cast<T>(momentum);
    return solve_;
  }

private:
  std::vector<T> gram_, inverse_, l1_;
  std::vector<int64_t> order_;
  Solve<T> solve_{};
};

// Sums of a pair: Gram matrices of the W that H was solved beside, of the solved H and of its
// extrapolation, k x k each; measures of W and of H, 2 x k each.
struct PairSums {
  PairSums(double *grams, double *measures, Index k)
      : gram_W(grams), gram_Hn(grams + k * k), gram_Hx(grams + 2 * k * k), measures_W(measures),
        measures_H(measures + 2 * k), k_(k), ratio_(static_cast<size_t>(k)),
        inverse_(static_cast<size_t>(k)) {}

  double objective(double half_square) const {
    return objective_of(half_square, H.cross, gram_W, gram_Hn, k_);
  }

  // 1/2 |X - W H'|^2, at least 0, by <X, W H'> and the Gram matrices.
  static double objective_of(double half_square, double cross, const double *gram_W,
                             const double *gram_H, Index k) {
    const double value = half_square - cross + 0.5 * pairwise(gram_W, gram_H, k * k);
    return value < 0 ? 0 : value;
  }

  bool has_dead_components() const {
    for (Index t = 0; t < k_; ++t)
      if (!is_alive(t))
        return true;
    return false;
  }

  // |projected gradient| / (|X H| + |X' W|), components balanced.
  double residual() {
    for (Index t = 0; t < k_; ++t) {
      const double squares = gram_Hn[t * (k_ + 1)] / gram_W[t * (k_ + 1)];
      ratio_[size_t(t)] = is_alive(t) ? std::sqrt(squares) : 1;
      inverse_[size_t(t)] = 1 / ratio_[size_t(t)];
    }
    const double *const ratio = ratio_.data(), *const inverse = inverse_.data();
    const double projected = pairwise(measures_W, inverse, k_) + pairwise(measures_H, ratio, k_);
    const double size = std::sqrt(std::max(0.0, pairwise(measures_W + k_, inverse, k_))) +
                        std::sqrt(std::max(0.0, pairwise(measures_H + k_, ratio, k_)));
    const double gradient = std::sqrt(projected);
    if (!(std::isfinite(gradient) && std::isfinite(size)))
      return std::numeric_limits<double>::quiet_NaN();
    return size > 0 ? gradient / size : 0;
  }

  double *const gram_W, *const gram_Hn, *const gram_Hx, *const measures_W, *const measures_H;
  SolveSums W, H;

private:
  bool is_alive(Index t) const { return gram_W[t * (k_ + 1)] > 0 && gram_Hn[t * (k_ + 1)] > 0; }

  Index k_;
  std::vector<double> ratio_, inverse_;
};

template <class T> struct PairSolve {
  bool by_columns; // the rows of the matrix that is read are those of H
  RowArrays<T> W, H;
  const double *gram_H;        // of the start of H
  MatrixView<const T> product; // X times that; by rows it may be absent, and is then not made apart
  MatrixView<T> products;      // written: X' times W or, by columns, X times the result of H
};

// Solves for W beside the start of H, then for H beside that W. Returns false if the run was
// asked to stop.
template <class T, class X>
bool solve_pair(const Kernels<T> &K, const X &x, const PairSolve<T> &p, SolvesBeside<T> &beside,
                double momentum, PairSums &out, Run run) {
  out.W = out.H = {};
  // in a pass over X, which makes the products for the other factor as well
  const auto fused = [&](const RowArrays<T> &rows, MatrixView<const T> other,
                         const double *gram_other, double *gram, double *measures,
                         SolveSums &sums) {
    FusedModel<T> model{{beside.sweeps(gram_other, momentum), rows, 0}, other, p.products, gram,
                        measures, {}};
    const bool done = update(K, x, &model, 1, run);
    sums = model.sums;
    return done;
  };
  if (!p.product.data) {
    if (!fused(p.W, p.H.start, p.gram_H, out.gram_W, out.measures_W, out.W))
      return false;
  } else if (!solve(K, beside.sweeps(p.gram_H, momentum), p.W, p.product, nullptr, out.gram_W,
                    out.measures_W, out.W, run)) {
    return false;
  }
  if (p.by_columns)
    return fused(p.H, p.W.result(), out.gram_W, out.gram_Hx, out.measures_H, out.H) &&
           gram(K, constant(p.H.solved), out.gram_Hn, run);
  if (p.product.data && !rmatmul(K, x, p.W.result(), p.products, run))
    return false;
  return solve(K, beside.sweeps(out.gram_W, momentum), p.H, constant(p.products), out.gram_Hn,
               out.gram_Hx, out.measures_H, out.H, run);
}

} // namespace nonneg
