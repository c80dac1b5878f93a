#include "drivers/extrapolation.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "drivers/pair_solves.hpp"
#include "drivers/storage.hpp"

namespace nonneg {

namespace {

// The momentum of the next iteration, which may go without any.
template <class T> double momentum_of(const Turns<T> &turns) {
  MomentumState &s = *turns.state;
  if (s.pause > 0) {
    s.pause -= 1;
    return 0;
  }
  const Index n = static_cast<Index>(s.n_iter), reset = static_cast<Index>(turns.rule.reset);
  return reset > 0 && n > 0 && n % reset == 0 ? 0 : s.momentum;
}

// 1/2 |X - W H'|^2 of a pair.
template <class T, class X>
bool by_entries(const Kernels<T> &K, const X &x, bool by_columns, const PairSolve<T> &pair,
                double &objective, Run run) {
  const MatrixView<const T> W = pair.W.result(), H = constant(pair.H.solved);
  const bool done = squared_error(K, x, by_columns ? H : W, by_columns ? W : H, objective, run);
  objective *= 0.5;
  return done;
}

// <A, B> of contiguous rows, by as many at a time as kernels/reference.py takes.
template <class T> double inner(const MatrixView<T> &A, const MatrixView<T> &B) {
  constexpr Index kRows = 4096;
  double total = 0;
  for (Index row = 0; row < A.rows; row += kRows) {
    const Index first = row * A.cols, n = std::min(kRows, A.rows - row) * A.cols;
    total += pairwise(A.data + first, B.data + first, n);
  }
  return total;
}

} // namespace

template <class T, class X>
bool extrapolate(const Kernels<T> &K, const X &x, const Extrapolation<T> &e, ExtrapolationEnd &end,
                 Run run) {
  const TurningRows<T> &W = e.turns.W, &H = e.turns.H;
  const Index k = W.arrays[0].cols, n_rows = W.arrays[0].rows, n_columns = H.arrays[0].rows;
  std::vector<T> rhs(e.by_columns ? 0 : static_cast<size_t>(n_columns * k));
  const MatrixView<T> products =
      e.by_columns ? e.product : MatrixView<T>{rhs.data(), n_columns, k, k};
  MatrixView<const T> product = constant(e.product);
  SolvesBeside<T> beside(e.sweeps, e.settled, static_cast<size_t>(k));
  PairSums pair(e.grams, e.measures, k);
  while (end.done < e.most && !end.converged) {
    const double momentum = momentum_of(e.turns);
    const PairSolve<T> solves{e.by_columns, arrays_of_solve(W), arrays_of_solve(H),
                              e.gram_H,     product,            products};
    if (!solve_pair(K, x, solves, beside, momentum, pair, run))
      return false;
    end.W = pair.W;
    end.H = pair.H;
    if (!e.by_columns)
      product = {};
    double objective = pair.objective(e.half_square);
    if (objective < e.doubtful && !by_entries(K, x, e.by_columns, solves, objective, run))
      return false;
    if (!(objective >= e.least) || !std::isfinite(objective) || pair.has_dead_components()) {
      end.pending = true;
      return true;
    }
    const double residual = pair.residual(), decrease = pair.W.decrease + pair.H.decrease;
    const bool restart = accept(e.turns, objective, decrease);
    std::copy_n(restart ? pair.gram_Hn : pair.gram_Hx, k * k, e.gram_H);
    // the next start is not the extrapolated H
    if (restart && e.by_columns && !rmatmul(K, x, constant(array_of(H, kStart)), products, run))
      return false;
    end.converged = is_settled(e.turns, residual, restart);
    double *const report = e.reports + 4 * end.done++;
    report[0] = objective;
    report[1] = residual;
    report[2] = decrease;
    report[3] = (pair.W.sweeps + pair.H.sweeps) / static_cast<double>(n_rows + n_columns);
  }
  return true;
}

template <class T> bool balance(const Kernels<T> &K, const Balance<T> &b, BalanceEnd &end, Run run) {
  const Index k = b.W.cols;
  std::vector<double> gram_W(static_cast<size_t>(k * k));
  if (!gram(K, constant(b.W), gram_W.data(), run) || !gram(K, constant(b.H), b.gram_H, run))
    return false;
  const double square = pairwise(gram_W.data(), b.gram_H, k * k);
  const double cross = std::max(0.0, inner(b.product, b.W));
  double scale = square > 0 ? cross / square : 1;
  if (!(scale > 0 && std::isfinite(scale)))
    scale = 1;
  std::vector<T> up(static_cast<size_t>(k)), down(static_cast<size_t>(k));
  for (Index t = 0; t < k; ++t) {
    const double norm_W = scale * scale * gram_W[static_cast<size_t>(t * (k + 1))],
                 norm_H = b.gram_H[t * (k + 1)];
    const double d = norm_W != 0 && norm_H != 0 ? std::sqrt(std::sqrt(norm_H / norm_W)) : 1;
    up[static_cast<size_t>(t)] = static_cast<T>(scale * d);
    down[static_cast<size_t>(t)] = static_cast<T>(d);
  }
  const auto each = [k](const MatrixView<T> &A, const std::vector<T> &by, auto change) {
    for (Index i = 0; i < A.rows; ++i)
      for (Index t = 0; t < k; ++t)
        change(A.data[i * k + t], by[static_cast<size_t>(t)]);
  };
  each(b.W, up, [](T &a, T d) { a *= d; });
  each(b.H, down, [](T &a, T d) { a /= d; });
  each(b.product, down, [](T &a, T d) { a /= d; });
  if (!gram(K, constant(b.W), gram_W.data(), run) || !gram(K, constant(b.H), b.gram_H, run))
    return false;
  end.square = pairwise(gram_W.data(), b.gram_H, k * k);
  end.cross = inner(b.product, b.W);
  return true;
}

template <class T, class X>
bool polish(const Kernels<T> &K, const X &x, const Polish<T> &p, PolishEnd &end, Run run) {
  const Index k = p.W.cols, n_rows = p.W.rows, square = k * k;
  const Index n_sums = p.by_columns ? n_rows : p.H.rows;
  std::vector<double> grams(static_cast<size_t>(5 * square)), measures(static_cast<size_t>(4 * k));
  std::vector<T> first(p.by_columns ? static_cast<size_t>(n_rows * k) : 0),
      second(static_cast<size_t>(n_sums * k));
  double *const gram_H = grams.data() + 3 * square, *const gram_W = gram_H + square;
  const MatrixView<T> product{first.data(), n_rows, k, k}, products{second.data(), n_sums, k, k};
  if (!gram(K, p.best_H, gram_H, run) ||
      (p.by_columns && !rmatmul(K, x, p.best_H, product, run)))
    return false;
  SolvesBeside<T> beside(p.sweeps, p.settled, static_cast<size_t>(k));
  PairSums pair(grams.data(), measures.data(), k);
  const PairSolve<T> solves{
      p.by_columns, {p.best_W, {}, p.W, {}},
      {p.best_H, {}, p.H, {}}, gram_H,
      p.by_columns ? constant(product) : MatrixView<const T>{}, products};
  if (!solve_pair(K, x, solves, beside, 0, pair, run))
    return false;
  end.moves_H = pair.objective(p.half_square) <= p.best;
  end.residual = pair.residual();
  if (!end.moves_H)
    std::copy_n(p.best_W.data, n_rows * k, p.W.data);
  const double *const beside_H = end.moves_H ? pair.gram_Hn : gram_H;
  Solve<T> exact = beside.sweeps(beside_H, 0);
  exact.method = Method::exact;
  exact.unmeasured = true;
  exact.most = p.exact_sweeps;
  exact.settled = p.exact_settled;
  const std::vector<double> l1(static_cast<size_t>(k));
  exact.exact = {beside_H, l1.data(), nullptr, static_cast<int>(k), false, asked_to_stop};
  const RowArrays<T> rows{constant(p.W), {}, p.W, {}};
  if (p.by_columns) {
    if (!solve(K, exact, rows, constant(end.moves_H ? products : product), nullptr, nullptr,
               measures.data(), end.W, run))
      return false;
  } else {
    FusedModel<T> model{{exact, rows, 0}, end.moves_H ? constant(p.H) : p.best_H, {}, nullptr,
                        measures.data(), {}};
    if (!update(K, x, &model, 1, run))
      return false;
    end.W = model.sums;
  }
  if (!gram(K, constant(p.W), gram_W, run))
    return false;
  end.objective = PairSums::objective_of(p.half_square, end.W.cross, gram_W, beside_H, k);
  return true;
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(name, T, ...)                                                       \
  template bool extrapolate<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,       \
                                            const Extrapolation<T> &, ExtrapolationEnd &, Run); \
  template bool polish<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,            \
                                       const Polish<T> &, PolishEnd &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  template bool balance<T>(const Kernels<T> &, const Balance<T> &, BalanceEnd &, Run);     \
  NONNEG_IN_MEMORY(NONNEG_STORAGE, T, MatrixView<const T>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
