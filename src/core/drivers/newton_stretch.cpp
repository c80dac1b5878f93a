#include "drivers/newton_stretch.hpp"

#include <cmath>
#include <vector>

#include "drivers/beta.hpp"
#include "drivers/newton.hpp"
#include "drivers/storage.hpp"

namespace nonneg {

namespace {

// A half-step beside the rows of the other factor, whose column sums are kept.
template <class T> class HalfStep {
public:
  HalfStep(const NewtonStretch<T> &stretch, size_t k)
      : steps_(stretch.steps), sums(k), narrow_(k), zeros_(k) {
    steps_.column_sums = narrow_.data();
    steps_.l1 = steps_.l2 = zeros_.data();
  }

  // Also brings rows to their best scales first, if asked to.
  template <class X>
  bool operator()(const Kernels<T> &K, const X &x, const RowArrays<T> &rows,
                  MatrixView<const T> other, double momentum, bool rescale, bool wants_value,
                  NewtonSums &out, Run run) {
    if (!column_sums(K, other, sums.data(), run))
      return false;
    for (size_t t = 0; t < sums.size(); ++t)
      narrow_[t] = static_cast<T>(sums[t]);
    steps_.momentum = static_cast<T>(momentum);
    steps_.rescale = rescale;
    steps_.wants_value = wants_value;
    return newton(K, x, steps_, rows, other, out, run);
  }

private:
  Newton<T> steps_;

public:
  std::vector<double> sums;

private:
  std::vector<T> narrow_, zeros_;
};

// The momentum of the next iteration; one of a pause is over.
template <class T> double momentum_of(const NewtonStretch<T> &stretch) {
  const Turns<T> &t = stretch.turns;
  MomentumState &s = *t.state;
  const Index before = static_cast<Index>(s.n_iter) + t.n_settled - 1;
  const double gained = t.decreases[before % t.n_settled];
  if (!(s.n_iter < stretch.warm_up || s.pause > 0 || gained > s.last))
    return s.momentum;
  s.pause = std::max(0.0, s.pause - 1);
  return 0;
}

} // namespace

template <class T, class X>
bool newton_stretch(const Kernels<T> &K, const X &x, const X &xt, const NewtonStretch<T> &stretch,
                    NewtonEnd &end, Run run) {
  const Turns<T> &turns = stretch.turns;
  const Index k = turns.W.arrays[0].cols;
  HalfStep<T> half(stretch, static_cast<size_t>(k));
  std::vector<double> sums(static_cast<size_t>(k));
  while (end.done < stretch.most && !end.converged) {
    const double momentum = momentum_of(stretch);
    const bool is_first = turns.state->n_iter == 0;
    NewtonSums W, H;
    const RowArrays<T> rows_W = arrays_of_solve(turns.W), rows_H = arrays_of_solve(turns.H);
    if (!half(K, x, rows_W, constant(array_of(turns.H, kStart)), momentum, is_first, false, W,
              run) ||
        !half(K, xt, rows_H, constant(array_of(turns.W, kMoved)), momentum, false, true, H, run) ||
        !column_sums(K, constant(array_of(turns.H, kSolved)), sums.data(), run))
      return false;
    end.value = H.value + pairwise(sums.data(), half.sums.data(), k);
    end.violation = W.residual + H.residual;
    if (!(end.value > stretch.least) || !std::isfinite(end.value)) {
      end.pending = true;
      return true;
    }
    const double residual = stretch.total > 0 ? end.violation / stretch.total : 0.0;
    const double decrease = std::max(0.0, turns.state->last - end.value);
    const bool restart = accept(turns, end.value, decrease);
    end.converged = is_settled(turns, residual, restart);
    double *const report = stretch.reports + 3 * end.done++;
    report[0] = end.value;
    report[1] = residual;
    report[2] = decrease;
  }
  return true;
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(name, T, ...)                                                       \
  template bool newton_stretch<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,    \
                                               const __VA_ARGS__ &, const NewtonStretch<T> &, \
                                               NewtonEnd &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  NONNEG_IN_MEMORY(NONNEG_STORAGE, T, StridedView<T>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
