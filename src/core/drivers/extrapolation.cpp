#include "drivers/extrapolation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "drivers/half_step.hpp"
#include "drivers/products.hpp"
#include "drivers/storage.hpp"

namespace nonneg {

namespace {

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

// The numbers of an iteration that its judgement needs.
template <class T> class Iteration {
public:
  Iteration(const Extrapolation<T> &e, Index k)
      : e_(e), k_(k), gram_W(e.grams), gram_Hn(e.grams + k * k), gram_Hx(e.grams + 2 * k * k),
        measures_W(e.measures), measures_H(e.measures + 2 * k), ratio_(size_t(k)),
        inverse_(size_t(k)) {}

  double momentum() const {
    MomentumState &s = *e_.turns.state;
    if (s.pause > 0) {
      s.pause -= 1;
      return 0;
    }
    const Index n = static_cast<Index>(s.n_iter);
    const Index reset = static_cast<Index>(e_.turns.rule.reset);
    return reset > 0 && n > 0 && n % reset == 0 ? 0 : s.momentum;
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

  // Sets where the next iteration starts; returns whether it is a restart.
  bool accept(double objective, double decrease) const {
    const bool restart = nonneg::accept(e_.turns, objective, decrease);
    std::copy_n(restart ? gram_Hn : gram_Hx, k_ * k_, e_.gram_H);
    return restart;
  }

private:
  const Extrapolation<T> &e_;
  Index k_;

public:
  double *const gram_W, *const gram_Hn, *const gram_Hx, *const measures_W, *const measures_H;

private:
  std::vector<double> ratio_, inverse_;
};

// The half-steps of an iteration, by the passes over X that suit its storage.
template <class T, class X> class HalfSteps {
public:
  HalfSteps(const Kernels<T> &K, const X &x, const Extrapolation<T> &e, Run run)
      : K_(K), x_(x), e_(e), run_(run), k_(W_.arrays[0].cols),
        rhs_(e.by_columns ? 0 : static_cast<size_t>(H_.arrays[0].rows * k_)),
        products_{rhs_.data(), H_.arrays[0].rows, k_, k_}, beside_(e, static_cast<size_t>(k_)),
        has_product_(e.product.data != nullptr) {}

  // Solves for W beside the start of H, then for H beside that W.
  bool pair(const Iteration<T> &now, double momentum, SolveSums &W, SolveSums &H) {
    W = H = {};
    const RowArrays<T> rows_W = arrays_of_solve(W_), rows_H = arrays_of_solve(H_);
    if (e_.by_columns)
      return by_product(rows_W, now, momentum, W) && fused(rows_H, now, momentum, H);
    const bool done = has_product_ ? by_product(rows_W, now, momentum, W) &&
                                         rmatmul(K_, x_, rows_W.result(), products_, run_)
                                   : fused(rows_W, now, momentum, W);
    has_product_ = false;
    return done && solve(K_, beside_.beside(now.gram_W, momentum), rows_H, constant(products_),
                         now.gram_Hn, now.gram_Hx, now.measures_H, H, run_);
  }

  // Makes the product of a start that is not the extrapolated H.
  bool begin_anew() {
    return !e_.by_columns ||
           rmatmul(K_, x_, constant(array_of(H_, kStart)), e_.product, run_);
  }

private:
  bool by_product(const RowArrays<T> &rows, const Iteration<T> &now, double momentum,
                  SolveSums &sums) {
    return solve(K_, beside_.beside(e_.gram_H, momentum), rows, constant(e_.product), nullptr,
                 now.gram_W, now.measures_W, sums, run_);
  }

  // Solves in a pass over X, which makes the products for the other factor as well.
  bool fused(const RowArrays<T> &rows, const Iteration<T> &now, double momentum, SolveSums &sums) {
    const bool is_H = e_.by_columns;
    const Solve<T> &sweeps = beside_.beside(is_H ? now.gram_W : e_.gram_H, momentum);
    FusedModel<T> model{{sweeps, rows, 0},
                        constant(is_H ? array_of(W_, kMoved) : array_of(H_, kStart)),
                        is_H ? e_.product : products_,
                        is_H ? now.gram_Hx : now.gram_W,
                        is_H ? now.measures_H : now.measures_W,
                        {}};
    if (!update(K_, x_, &model, 1, run_))
      return false;
    sums = model.sums;
    return !is_H || gram(K_, constant(rows.solved), now.gram_Hn, run_);
  }

  const Kernels<T> &K_;
  const X &x_;
  const Extrapolation<T> &e_;
  Run run_;
  const TurningRows<T> &W_ = e_.turns.W, &H_ = e_.turns.H;
  Index k_;
  std::vector<T> rhs_;
  MatrixView<T> products_; // X' times W
  SweepsBeside<T> beside_;
  bool has_product_;
};

} // namespace

template <class T, class X>
bool extrapolate(const Kernels<T> &K, const X &x, const Extrapolation<T> &e, ExtrapolationEnd &end,
                 Run run) {
  const MatrixView<T> &W = e.turns.W.arrays[0];
  const Index n_rows = W.rows, n_columns = e.turns.H.arrays[0].rows;
  HalfSteps<T, X> steps(K, x, e, run);
  Iteration<T> now(e, W.cols);
  while (end.done < e.most && !end.converged) {
    if (!steps.pair(now, now.momentum(), end.W, end.H))
      return false;
    const double objective = now.objective(end.H.cross);
    if (!(objective >= e.least) || !std::isfinite(objective) || now.has_dead_components()) {
      end.pending = true;
      return true;
    }
    const double residual = now.residual(), decrease = end.W.decrease + end.H.decrease;
    const bool restart = now.accept(objective, decrease);
    if (restart && !steps.begin_anew())
      return false;
    end.converged = is_settled(e.turns, residual, restart);
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
