#include "beta.hpp"

#include <vector>

#include "cutting.hpp"

namespace nonneg {
namespace {

constexpr Index kMostTasks = 256; // each keeps a sum of its own

template <class T> bool wants_tiles(const MatrixView<const T> &, double) { return true; }
template <class T, class I> bool wants_tiles(const CsrView<T, I> &, double beta) {
  return beta != 1;
}

template <class T>
void beta_block(const Kernels<T> &K, const MatrixView<const T> &X, Index first, Index last,
                const BetaBlock<T> &block, void *scratch) {
  K.dense.beta(rows_of(X, first, last), first, block, blas, scratch);
}

template <class T, class I>
void beta_block(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
                const BetaBlock<T> &block, void *scratch) {
  csr_of(K, X).beta(X, first, last, block, blas, scratch);
}

template <class T> Index sorted_panels(const MatrixView<const T> &, double) { return 0; }
template <class T, class I> Index sorted_panels(const CsrView<T, I> &, double beta) {
  return beta == 1 ? kPanels : 0;
}

// Sums for one range of features at a time, where a slot for each task would be too large.
template <class T>
bool sum_by_panels(const Kernels<T> &, const MatrixView<const T> &, const BetaBlock<T> &,
                   T *, double *, Run) {
  return false; // never asked for
}

template <class T, class I>
bool sum_by_panels(const Kernels<T> &K, const CsrView<T, I> &X, const BetaBlock<T> &block,
                   T *numerator, double *values, Run run) {
  const Scratch scratch(K.beta_scratch(block.width, X.cols, false), run.n_threads);
  auto task = [&](int64_t i, int worker) {
    const Index column = X.cols * i / kPanels, end = X.cols * (i + 1) / kPanels;
    std::fill(numerator + column * block.width, numerator + end * block.width, T(0));
    BetaBlock<T> own = block;
    own.numerator = numerator;
    own.value = values ? values + i : nullptr;
    csr_of(K, X).kullback_panel(X, column, end, own, scratch(worker));
  };
  return parallel_for(kPanels, run.n_threads, task, run.poll);
}

// H (k rows of h_width numbers, zeros behind the features) from its transpose.
template <class T>
bool turn(MatrixView<const T> Ht, T *H, Index h_width, Run run) {
  auto task = [&](int64_t t, int) {
    T *const row = H + t * h_width;
    for (Index j = 0; j < Ht.rows; ++j)
      row[j] = Ht.data[j * Ht.stride + t];
    std::fill(row + Ht.rows, row + h_width, T(0));
  };
  const double work = double(Ht.rows) * double(Ht.cols);
  return parallel_for(Ht.cols, threads_for(work, run.n_threads), task, run.poll);
}

void add_up(const std::vector<double> &values, double *value) {
  if (!value)
    return;
  *value = 0;
  for (double part : values)
    *value += part;
}

} // namespace

template <class T, class X>
bool beta(const Kernels<T> &K, const X &x, const BetaPass<T> &pass, Run run) {
  const int k = pass.how.k, width = K.padded(k);
  const bool tiles = wants_tiles(x, pass.how.beta), sums = pass.numerator.data;
  const bool below = sums && pass.denominator.data;
  const Index h_width = tiles ? K.padded(static_cast<int>(x.cols)) : 0;
  const Buffer<T> packed(static_cast<size_t>(x.cols * width));
  const Buffer<T> turned(static_cast<size_t>(k * h_width));
  if (!pack_factor(K, pass.Ht, packed.get(), width, run) ||
      (tiles && !turn(pass.Ht, turned.get(), h_width, run)))
    return false;
  const BetaBlock<T> block{&pass.how,    pass.start, pass.solved,
                           pass.below,   packed.get(), tiles ? turned.get() : nullptr,
                           width,        h_width,    nullptr,
                           nullptr,      nullptr};
  Cut cut = cut_pass(x, below ? 2 * width : width);
  const bool panels = sums && cut.n_slots == 0 && sorted_panels(x, pass.how.beta);
  if (sums && cut.n_slots == 0 && !panels)
    cut.n_slots = 1;
  const bool fused = sums && !panels;
  const Index n_tasks = fused ? cut.n_slots : std::min(cut.n_blocks, kMostTasks);
  const int n_threads = threads_for(4 * entries(x) * width, run.n_threads);
  const Scratch scratch(K.beta_scratch(width, x.cols, tiles), n_threads);
  const Buffer<T> slots(static_cast<size_t>(fused ? n_tasks * cut.slot_size : 0));
  std::vector<double> values(static_cast<size_t>(std::max<Index>(n_tasks, kPanels)), 0.0);
  const Index half = x.cols * width;
  auto task = [&](int64_t i, int worker) {
    BetaBlock<T> own = block;
    if (fused) {
      own.numerator = slots.get() + i * cut.slot_size;
      own.denominator = below ? own.numerator + half : nullptr;
      std::fill(own.numerator, own.numerator + cut.slot_size, T(0));
    }
    if (pass.value && !panels)
      own.value = &values[static_cast<size_t>(i)];
    for (Index b = cut.n_blocks * i / n_tasks; b < cut.n_blocks * (i + 1) / n_tasks; ++b)
      beta_block(K, x, b * cut.block, std::min((b + 1) * cut.block, x.rows), own,
                 scratch(worker));
  };
  if (!(panels && !pass.solved.data) &&
      !parallel_for(n_tasks, n_threads, task, run.poll))
    return false;
  if (panels) {
    BetaBlock<T> after = block;
    if (pass.how.move && pass.solved.data)
      after.start = {pass.solved.data, pass.solved.rows, pass.solved.cols,
                     pass.solved.stride};
    const Buffer<T> numerator(static_cast<size_t>(half));
    if (!sum_by_panels(K, x, after, numerator.get(), pass.value ? values.data() : nullptr,
                       run) ||
        !add_slots(K, numerator.get(), 0, 1, width, pass.numerator, run))
      return false;
  } else if (sums) {
    const int n_slots = static_cast<int>(n_tasks);
    if (!add_slots(K, slots.get(), cut.slot_size, n_slots, width, pass.numerator, run) ||
        (below && !add_slots(K, slots.get() + half, cut.slot_size, n_slots, width,
                             pass.denominator, run)))
      return false;
  }
  add_up(values, pass.value);
  return true;
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(T, ...)                                                             \
  template bool beta<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,              \
                                     const BetaPass<T> &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  NONNEG_STORAGE(T, MatrixView<const T>)                                                   \
  NONNEG_STORAGE(T, CsrView<T, int32_t>)                                                   \
  NONNEG_STORAGE(T, CsrView<T, int64_t>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
