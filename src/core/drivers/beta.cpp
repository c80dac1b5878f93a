#include "drivers/beta.hpp"

#include <algorithm>
#include <vector>

#include "drivers/buffers.hpp"
#include "drivers/packing.hpp"
#include "drivers/slots.hpp"
#include "drivers/storage.hpp"

namespace nonneg {
namespace {

template <class T, class X>
constexpr bool kIsDense = std::is_same_v<ViewOf<X>, MatrixView<const T>>;

template <class T>
void beta_block(const Kernels<T> &K, const MatrixView<const T> &X, Index first, Index last,
                const BetaBlock<T> &block, void *scratch) {
  K.beta.dense.half_step(rows_of(X, first, last), first, block, scratch);
}

template <class T, class I>
void beta_block(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
                const BetaBlock<T> &block, void *scratch) {
  csr_of(K.beta, X).half_step(X, first, last, block, blas, scratch);
}

// The vectors of k numbers, packed.
template <class T> struct PackedVectors {
  std::vector<T> numbers;
  Beta<T> options;

  PackedVectors(const Beta<T> &unpacked, int width)
      : numbers(size_t(3 * width), T(0)), options(unpacked) {
    const T *from[] = {unpacked.column_sums, unpacked.l1, unpacked.l2};
    for (int v = 0; v < 3; ++v)
      std::copy(from[v], from[v] + unpacked.k, numbers.data() + v * width);
    options.column_sums = numbers.data();
    options.l1 = numbers.data() + width;
    options.l2 = numbers.data() + 2 * width;
    options.has_l2 = std::any_of(unpacked.l2, unpacked.l2 + unpacked.k, [](T w) { return w > 0; });
  }
};

// A factor in the forms that the kernels need: B_width and h_width are 0 for one that isn't.
template <class T> class PackedFactor {
public:
  PackedFactor(const Kernels<T> &K, MatrixView<const T> Ht, int B_width, Index h_width, Run run)
      : B_(static_cast<size_t>(Ht.rows * B_width)),
        H_(static_cast<size_t>(h_width * Ht.cols)), rows_(B_width > 0), tiles_(h_width > 0),
        done((!rows_ || pack_factor(K, Ht, B_.get(), B_width, run)) &&
             (!tiles_ || turn(Ht, H_.get(), h_width, run))) {}

  Packed<T> forms() const {
    return {rows_ ? B_.get() : nullptr, tiles_ ? H_.get() : nullptr};
  }

private:
  Buffer<T> B_, H_;
  bool rows_, tiles_;

public:
  const bool done; // false if the run was asked to stop
};

void add_up(const std::vector<double> &values, double *value) {
  if (!value)
    return;
  *value = 0;
  for (double part : values)
    *value += part;
}

// Where the blocks of a pass end, and what it needs to run them.
struct Blocks {
  Cut cut;
  size_t scratch_bytes; // for each thread
  int n_threads;

  Index most_tasks() const { return std::min(cut.n_blocks, kMostTasks); }
};

// The block for kernels that see a part of X, from its row `origin` on.
template <class T> BetaBlock<T> at_rows(BetaBlock<T> block, Index origin, Index rows) {
  block.start = rows_of(block.start, origin, origin + rows);
  for (MatrixView<T> *const A : {&block.solved, &block.below})
    if (A->data)
      *A = rows_of(*A, origin, origin + rows);
  return block;
}

// Numbers in an array of sums for the features.
template <class T, class X> Index sums_size(const X &x, const BetaBlock<T> &block) {
  return kIsDense<T, X> ? block.options->k * block.h_width : x.cols * block.width;
}

// out (n_features x k) = the sum of the slots.
template <class T, class X>
bool add_sums(const Kernels<T> &K, const X &, const T *slots, Index slot_size, int n_slots,
              const BetaBlock<T> &block, MatrixView<T> out, Run run) {
  if constexpr (!kIsDense<T, X>)
    return add_slots(K, slots, slot_size, n_slots, block.width, out, run);
  auto task = [&](int64_t i, int) {
    const Index first = i * kFactorBlock;
    K.beta.dense.reduce(slots, slot_size, n_slots, block.h_width, first,
                        std::min(first + kFactorBlock, out.rows), out);
  };
  const double work = double(out.rows) * double(out.cols) * n_slots;
  return parallel_for(ceil_div(out.rows, kFactorBlock), threads_for(work, run.n_threads), task,
                      run.poll);
}

// Runs all blocks of rows, as n_tasks in a row each; block_of(i, number of the block) is what
// task i works with.
template <class T, class X, class F>
bool for_rows(const Kernels<T> &K, const X &x, const Blocks &blocks, Index n_tasks, Run run,
              F block_of) {
  const Cut &cut = blocks.cut;
  const Scratch scratch(blocks.scratch_bytes, blocks.n_threads);
  auto task = [&](Index i, const Block<ViewOf<X>> &rows, int worker) {
    const BetaBlock<T> block = at_rows(block_of(i, rows.number), rows.origin, rows.x.rows);
    beta_block(K, rows.x, rows.first, rows.last, block, scratch(worker));
  };
  return for_tasks(x, cut.block, cut.n_blocks, n_tasks, blocks.n_threads, run, task);
}

// One pass by rows, the sums of each task in a slot of its own.
template <class T, class X>
bool beta_by_slots(const Kernels<T> &K, const X &x, const BetaPass<T> &pass,
                   const BetaBlock<T> &block, const Blocks &blocks, Run run) {
  const Cut &cut = blocks.cut;
  const bool sums = pass.numerator.data, below = sums && pass.denominator.data;
  const Index n_tasks = sums ? cut.n_slots : blocks.most_tasks();
  const Index half = sums_size(x, block);
  const Buffer<T> slots(static_cast<size_t>(sums ? n_tasks * cut.slot_size : 0));
  std::vector<double> values(static_cast<size_t>(n_tasks), 0.0);
  auto part = [&](Index i, Index number) {
    BetaBlock<T> part_block = block;
    if (sums) {
      part_block.numerator = cut.opened(slots.get(), i, number);
      part_block.denominator = below ? part_block.numerator + half : nullptr;
    }
    part_block.value = pass.value ? &values[static_cast<size_t>(i)] : nullptr;
    return part_block;
  };
  if (!for_rows(K, x, blocks, n_tasks, run, part))
    return false;
  const int n_slots = static_cast<int>(n_tasks);
  if (sums && !add_sums(K, x, slots.get(), cut.slot_size, n_slots, block, pass.numerator, run))
    return false;
  if (below && !add_sums(K, x, slots.get() + half, cut.slot_size, n_slots, block,
                         pass.denominator, run))
    return false;
  add_up(values, pass.value);
  return true;
}

// The sums for the features [column, end) of some rows of X, from X's row `row` on.
template <class T>
void sums_of_panel(const Kernels<T> &K, const MatrixView<const T> &X, Index row, Index column,
                   Index end, const Blocks &blocks, BetaBlock<T> part_block, void *scratch) {
  part_block.solved = part_block.below = {};
  part_block.after.H += column;
  part_block.numerator += column;
  if (part_block.denominator)
    part_block.denominator += column;
  const MatrixView<const T> panel{X.data + column, X.rows, end - column, X.stride};
  part_block.start = rows_of(part_block.start, row, row + X.rows);
  for (Index first = 0; first < X.rows && !asked_to_stop(); first += blocks.cut.block)
    beta_block(K, panel, first, std::min(first + blocks.cut.block, X.rows), part_block, scratch);
}

template <class T, class I>
void sums_of_panel(const Kernels<T> &K, const CsrView<T, I> &X, Index row, Index column,
                   Index end, const Blocks &, BetaBlock<T> part_block, void *scratch) {
  for (Index first = 0; first < X.rows && !asked_to_stop(); first += kPanelRows) {
    const Index last = std::min(first + kPanelRows, X.rows);
    BetaBlock<T> some = part_block;
    some.start = rows_of(part_block.start, row + first, row + last);
    csr_of(K.beta, X).kullback_panel(rows_of(X, first, last), column, end, some, scratch);
  }
}

// The rows in one pass, then the sums for one range of features at a time: where a slot for
// each task would be too large.
template <class T, class X>
bool beta_by_panels(const Kernels<T> &K, const X &x, const BetaPass<T> &pass,
                        BetaBlock<T> block, const Blocks &blocks, Run run) {
  auto rows_alone = [&](Index, Index) { return block; };
  if (pass.solved.data && !for_rows(K, x, blocks, blocks.most_tasks(), run, rows_alone))
    return false;
  if (pass.options.move && pass.solved.data)
    block.start = {pass.solved.data, pass.solved.rows, pass.solved.cols, pass.solved.stride};
  const bool below = pass.denominator.data;
  const Index half = sums_size(x, block);
  const Buffer<T> sums(static_cast<size_t>(below ? 2 * half : half));
  std::fill(sums.get(), sums.get() + (below ? 2 * half : half), T(0));
  // whole vectors, and whole cache lines
  const auto column = [&](Index i) { return i == kPanels ? x.cols : x.cols * i / kPanels / 16 * 16; };
  std::vector<double> values(static_cast<size_t>(kPanels), 0.0);
  const Scratch scratch(blocks.scratch_bytes, run.n_threads);
  auto part = [&](const ViewOf<X> &rows, Index row) {
    auto task = [&](int64_t i, int worker) {
      BetaBlock<T> part_block = block;
      part_block.numerator = sums.get();
      part_block.denominator = below ? sums.get() + half : nullptr;
      part_block.value = pass.value ? &values[static_cast<size_t>(i)] : nullptr;
      sums_of_panel(K, rows, row, column(i), column(i + 1), blocks, part_block, scratch(worker));
    };
    return parallel_for(kPanels, run.n_threads, task, run.poll);
  };
  if (!for_parts(x, blocks.cut.block, part) ||
      !add_sums(K, x, sums.get(), 0, 1, block, pass.numerator, run) ||
      (below && !add_sums(K, x, sums.get() + half, 0, 1, block, pass.denominator, run)))
    return false;
  add_up(values, pass.value);
  return true;
}

} // namespace

template <class T, class X>
bool beta(const Kernels<T> &K, const X &x, const BetaPass<T> &pass, Run run) {
  const int width = K.products.padded(pass.options.k);
  constexpr bool dense = kIsDense<T, X>;
  const bool tiles = dense || pass.options.beta != 1, sums = pass.numerator.data;
  const Index h_width = dense   ? K.beta.dense.h_width(tile_columns(x.cols))
                        : tiles ? K.products.padded(tile_columns(x.cols))
                                : 0;
  const int B_width = dense ? 0 : width;
  const PackedFactor<T> other(K, pass.Ht, B_width, h_width, run);
  const bool moves_on = pass.after.data && pass.after.data != pass.Ht.data;
  const PackedFactor<T> after(K, moves_on ? pass.after : MatrixView<const T>{}, B_width,
                              h_width, run);
  if (!other.done || !after.done)
    return false;
  const PackedVectors<T> vectors(pass.options, width);
  const BetaBlock<T> block{&vectors.options, pass.start, pass.solved, pass.below,
                           other.forms(), moves_on ? after.forms() : other.forms(),
                           width, h_width, nullptr, nullptr, nullptr};
  const Index size = sums_size(x, block) * (sums && pass.denominator.data ? 2 : 1);
  Blocks blocks{cut_pass(x, size),
                dense ? K.beta.dense.scratch_bytes(width, x.cols)
                      : K.beta.scratch_bytes(width, x.cols, tiles),
                threads_for(4 * entries(x) * (width + 32), run.n_threads)};
  // clearing and adding up more slots would cost more than the few entries themselves
  const double filled = entries(x) / (4.0 * double(std::max<Index>(1, x.cols)));
  int &n_slots = blocks.cut.n_slots;
  n_slots = std::min(n_slots, static_cast<int>(std::clamp(filled, 1.0, 16.0)));
  if (sums && n_slots == 0) {
    if (kIsDense<T, X> || pass.options.beta == 1)
      return beta_by_panels(K, x, pass, block, blocks, run);
    n_slots = 1; // a tile of W H takes whole rows of a sparse X
  }
  return beta_by_slots(K, x, pass, block, blocks, run);
}

template <class T>
bool multiply(const Kernels<T> &K, const Beta<T> &options, MatrixView<const T> start,
              MatrixView<const T> numerator, MatrixView<const T> denominator,
              MatrixView<T> solved, Run run) {
  const int width = K.products.padded(options.k);
  const PackedVectors<T> vectors(options, width);
  const int n_threads = threads_for(2 * double(start.rows) * width, run.n_threads);
  const Scratch scratch(K.beta.scratch_bytes(width, 0, false), n_threads);
  auto task = [&](int64_t i, int worker) {
    const Index first = i * kFactorBlock, last = std::min(first + kFactorBlock, start.rows);
    MatrixView<const T> below{};
    if (denominator.data)
      below = rows_of(denominator, first, last);
    K.beta.multiply(vectors.options, rows_of(start, first, last), rows_of(numerator, first, last),
               below, rows_of(solved, first, last), scratch(worker));
  };
  return parallel_for(ceil_div(start.rows, kFactorBlock), n_threads, task, run.poll);
}

namespace {

// Runs fn(first, last, sums) on ranges of n_rows rows and adds the n_sums sums up in order.
template <class F>
bool summed(Index n_rows, Index n_sums, double work, double *sums, Run run, F fn) {
  const Index n_tasks = std::clamp<Index>(ceil_div(n_rows, kFactorBlock), 1, 16);
  std::vector<double> parts(static_cast<size_t>(n_tasks * n_sums), 0.0);
  auto task = [&](int64_t i, int) {
    fn(n_rows * i / n_tasks, n_rows * (i + 1) / n_tasks, parts.data() + i * n_sums);
  };
  const bool done = parallel_for(n_tasks, threads_for(work, run.n_threads), task, run.poll);
  std::fill(sums, sums + n_sums, 0.0);
  for (Index i = 0; i < n_tasks * n_sums; ++i)
    sums[i % n_sums] += parts[static_cast<size_t>(i)];
  return done;
}

} // namespace

template <class T>
bool column_sums(const Kernels<T> &K, MatrixView<const T> A, double *sums, Run run) {
  const double work = double(A.rows) * double(A.cols);
  return summed(A.rows, A.cols, work, sums, run, [&](Index first, Index last, double *part) {
    K.beta.column_sums(rows_of(A, first, last), part);
  });
}

template <class T>
bool gather_scaled(const Kernels<T> &K, MatrixView<const T> base, const int64_t *features,
                   const T *scale, MatrixView<T> out, double *sums, Run run) {
  const double work = 8 * double(out.rows) * double(out.cols);
  return summed(out.rows, out.cols, work, sums, run,
                [&](Index first, Index last, double *part) {
                  K.beta.gather_scaled(base, features + first, scale, rows_of(out, first, last),
                                  part);
                });
}

template <class T>
bool move_scaled(const Kernels<T> &K, const ScaledMove<T> &move, MatrixView<const T> before,
                 MatrixView<const T> numerator, const int64_t *features,
                 MatrixView<T> base, double *sums, Run run) {
  const double work = 16 * double(before.rows) * double(before.cols);
  return summed(before.rows, 4 * before.cols, work, sums, run,
                [&](Index first, Index last, double *part) {
                  K.beta.move_scaled(move, rows_of(before, first, last),
                                rows_of(numerator, first, last), features + first, base, part);
                });
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(name, T, ...)                                                            \
  template bool beta<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,              \
                                     const BetaPass<T> &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  template bool multiply<T>(const Kernels<T> &, const Beta<T> &, MatrixView<const T>,      \
                            MatrixView<const T>, MatrixView<const T>, MatrixView<T>, Run); \
  template bool column_sums<T>(const Kernels<T> &, MatrixView<const T>, double *, Run);    \
  template bool gather_scaled<T>(const Kernels<T> &, MatrixView<const T>, const int64_t *, \
                                 const T *, MatrixView<T>, double *, Run);                 \
  template bool move_scaled<T>(const Kernels<T> &, const ScaledMove<T> &,                  \
                               MatrixView<const T>, MatrixView<const T>, const int64_t *,  \
                               MatrixView<T>, double *, Run);                              \
  NONNEG_STORAGES(NONNEG_STORAGE, T, MatrixView<const T>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
