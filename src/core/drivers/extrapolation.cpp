#include "drivers/extrapolation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "drivers/half_step.hpp"
#include "drivers/storage.hpp"

namespace nonneg {

namespace {

enum Role { kStart, kPlain, kBest, kSolved, kMoved };

template <class T> MatrixView<const T> constant(const MatrixView<T> &A) {
  return {A.data, A.rows, A.cols, A.stride};
}

template <class T> const MatrixView<T> &array_of(const TurningRows<T> &A, Role role) {
  return A.arrays[A.roles[role]];
}

// The next solve writes over no array that it reads later, and not over the best one.
template <class T> RowArrays<T> arrays_of_solve(const TurningRows<T> &A) {
  int64_t *const roles = A.roles;
  const auto other_than = [](int64_t a, int64_t b, int64_t c) {
    int64_t i = 0;
    while (i == a || i == b || i == c)
      ++i;
    return i;
  };
  const bool is_taken = roles[kStart] == roles[kBest] || roles[kStart] == roles[kPlain];
  roles[kSolved] = is_taken ? other_than(roles[kStart], roles[kPlain], roles[kBest]) : roles[kStart];
  roles[kMoved] = roles[kPlain] == roles[kBest]
                      ? other_than(roles[kSolved], roles[kBest], roles[kBest])
                      : roles[kPlain];
  return {constant(array_of(A, kStart)), constant(array_of(A, kPlain)), array_of(A, kSolved),
          array_of(A, kMoved)};
}

// Sweeps beside a Gram matrix, in the precision of X.
template <class T> class SweepsBeside {
public:
  SweepsBeside(const Extrapolation<T> &e, size_t k)
      : gram_(k * k), inverse_(k), l1_(k), order_(k) {
    for (size_t t = 0; t < k; ++t)
      order_[t] = static_cast<int64_t>(t);
    solve_.method = Method::adaptive;
    solve_.most = e.sweeps;
    solve_.settled = e.settled;
    solve_.sweep = {gram_.data(), inverse_.data(), l1_.data(), order_.data(), static_cast<int>(k)};
  }

  const Solve<T> &beside(const double *gram, double momentum) {
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

// The sum of a[i] b[i] in NumPy's order, so that restarts are the same ones.
double pairwise(const double *a, const double *b, Index n) {
  if (n < 8) {
    double sum = 0;
    for (Index i = 0; i < n; ++i)
      sum += a[i] * b[i];
    return sum;
  }
  if (n > 128) {
    Index half = n / 2;
    half -= half % 8;
    return pairwise(a, b, half) + pairwise(a + half, b + half, n - half);
  }
  double r[8];
  for (int j = 0; j < 8; ++j)
    r[j] = a[j] * b[j];
  Index i = 8;
  for (; i < n - n % 8; i += 8)
    for (int j = 0; j < 8; ++j)
      r[j] += a[i + j] * b[i + j];
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i)
    sum += a[i] * b[i];
  return sum;
}

// The numbers of an iteration that its judgement needs.
template <class T> class Iteration {
public:
  Iteration(const Extrapolation<T> &e, Index k)
      : e_(e), k_(k), gram_W(e.grams), gram_Hn(e.grams + k * k), gram_Hx(e.grams + 2 * k * k),
        measures_W(e.measures), measures_H(e.measures + 2 * k), ratio_(size_t(k)),
        inverse_(size_t(k)) {}

  double momentum() const {
    MomentumState &s = *e_.state;
    if (s.pause > 0) {
      s.pause -= 1;
      return 0;
    }
    const Index n = static_cast<Index>(s.n_iter);
    return e_.rule.reset > 0 && n > 0 && n % e_.rule.reset == 0 ? 0 : s.momentum;
  }

  double objective(double cross) const {
    const double value = e_.half_square - cross + 0.5 * pairwise(gram_W, gram_Hn, k_ * k_);
    return value < 0 ? 0 : value;
  }

  bool has_dead_components() const {
    for (Index t = 0; t < k_; ++t)
      if (!(gram_W[t * (k_ + 1)] > 0 && gram_Hn[t * (k_ + 1)] > 0))
        return true;
    return false;
  }

  // |projected gradient| / (|X H' | + |X' W|), components balanced.
  double residual() {
    for (Index t = 0; t < k_; ++t) {
      ratio_[size_t(t)] = std::sqrt(gram_Hn[t * (k_ + 1)] / gram_W[t * (k_ + 1)]);
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

  // Sets where the next iteration starts; returns whether the fit has converged.
  bool accept(double objective, double residual, double decrease) const {
    MomentumState &s = *e_.state;
    int64_t *const W = e_.W.roles, *const H = e_.H.roles;
    const Index n_iter = static_cast<Index>(s.n_iter), slot = n_iter % e_.n_settled;
    e_.decreases[slot] = decrease;
    const bool restart = objective > s.last;
    s.last = objective;
    e_.restarts[n_iter % e_.n_recent] = restart;
    const bool is_best = objective <= s.best;
    if (is_best)
      s.best = objective;
    const int64_t best_W = is_best ? W[kMoved] : W[kBest], best_H = is_best ? H[kSolved] : H[kBest];
    W[kStart] = W[kMoved];
    W[kPlain] = restart ? W[kMoved] : W[kSolved];
    H[kStart] = restart ? H[kSolved] : H[kMoved];
    H[kPlain] = H[kSolved];
    W[kBest] = best_W;
    H[kBest] = best_H;
    std::copy_n(restart ? gram_Hn : gram_Hx, k_ * k_, e_.gram_H);
    if (restart) {
      s.cap = s.momentum;
      s.momentum /= e_.rule.shrinkage;
      if (std::count(e_.restarts, e_.restarts + e_.n_recent, 1) > e_.n_recent / 2) {
        s.pause = static_cast<double>(e_.rule.pause);
        std::fill_n(e_.restarts, e_.n_recent, 0);
      }
    } else {
      s.momentum = std::min(s.cap, e_.rule.growth * s.momentum);
      s.cap = std::min(1.0, e_.rule.cap_growth * s.cap);
    }
    const double gained = e_.values[slot] - s.best;
    e_.values[slot] = s.best;
    s.n_iter += 1;
    return is_settled(gained, residual, restart);
  }

private:
  bool is_settled(double gained, double residual, bool restart) const {
    MomentumState &s = *e_.state;
    if (e_.rule.tol == 0)
      return false;
    s.quiet = residual <= e_.rule.tol && !restart ? s.quiet + 1 : 0;
    const double least = e_.rule.least_decrease * s.best;
    double sum = 0;
    for (Index i = 0; i < e_.n_settled; ++i)
      sum += e_.decreases[i];
    const bool still = sum <= least && gained <= least;
    const bool slow = gained <= e_.rule.nearly * e_.rule.tol * s.best;
    return (s.quiet >= 2 && slow) || still;
  }

  const Extrapolation<T> &e_;
  Index k_;

public:
  double *const gram_W, *const gram_Hn, *const gram_Hx, *const measures_W, *const measures_H;

private:
  std::vector<double> ratio_, inverse_;
};

} // namespace

template <class T, class X>
bool extrapolate(const Kernels<T> &K, const X &x, const Extrapolation<T> &e, ExtrapolationEnd &end,
                 Run run) {
  const Index k = e.W.arrays[0].cols, n_rows = e.W.arrays[0].rows, n_columns = e.H.arrays[0].rows;
  std::vector<T> rhs(static_cast<size_t>(n_columns * k));
  const MatrixView<T> products{rhs.data(), n_columns, k, k};
  SweepsBeside<T> beside(e, static_cast<size_t>(k));
  Iteration<T> now(e, k);
  while (end.done < e.most && !end.converged) {
    const double momentum = now.momentum();
    FusedModel<T> model{{beside.beside(e.gram_H, momentum), arrays_of_solve(e.W), 0},
                        constant(array_of(e.H, kStart)), products, now.gram_W, now.measures_W, {}};
    if (!update(K, x, &model, 1, run))
      return false;
    end.W = model.sums;
    end.H = {};
    if (!solve(K, beside.beside(now.gram_W, momentum), arrays_of_solve(e.H), constant(products),
               now.gram_Hn, now.gram_Hx, now.measures_H, end.H, run))
      return false;
    const double objective = now.objective(end.H.cross);
    if (!(objective >= e.least) || !std::isfinite(objective) || now.has_dead_components()) {
      end.pending = true;
      return true;
    }
    const double residual = now.residual(), decrease = end.W.decrease + end.H.decrease;
    end.converged = now.accept(objective, residual, decrease);
    double *const report = e.reports + 4 * end.done++;
    report[0] = objective;
    report[1] = residual;
    report[2] = decrease;
    report[3] = (end.W.sweeps + end.H.sweeps) / static_cast<double>(n_rows + n_columns);
  }
  return true;
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(T, ...)                                                             \
  template bool extrapolate<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,       \
                                            const Extrapolation<T> &, ExtrapolationEnd &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  NONNEG_STORAGE(T, MatrixView<const T>)                                                   \
  NONNEG_STORAGE(T, CsrView<T, int32_t>)                                                   \
  NONNEG_STORAGE(T, CsrView<T, int64_t>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
