#include "passes.hpp"

#include <algorithm>
#include <vector>

#include "buffers.hpp"

namespace nonneg {

Blas blas;

namespace {

constexpr Index kFactorBlock = 512;            // rows of a factor per task
constexpr Index kCsrBlock = 256;               // rows of a sparse X per block
constexpr Index kDenseBlockBytes = 1 << 20;    // of a dense X per block: about an L2
// Accumulators for X'A: as many as fit into kSlotBytes, at least two, at most
// kMostSlots, and never more than kMostSlotBytes. Beyond the last-level cache's share they
// cost more than they bring: X'A of a 60,000 x 20,000 CSR (30 a row), k = 30, float64, on
// an Ice Lake Xeon with one thread took 31, 31, 35, 50 and 73 ms for 1, 2, 4, 8, 16 slots
// (5 MB each); 60,000 features (15 MB each) 54 ms for 1 and 2 slots, 84 ms for 3.
constexpr Index kSlotBytes = Index(16) << 20;
constexpr Index kMostSlotBytes = Index(48) << 20;
constexpr Index kMostSlots = 16;
constexpr int kPanels = 16;                    // of features, where slots are too large
constexpr double kThreadWork = 4e5; // multiply-adds worth waking a worker for

int threads_for(double work, int n_threads) {
  return work < kThreadWork ? 1 : n_threads;
}

Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

// ---- the two storages, alike to the drivers ------------------------------------------

template <class T> Index block_rows(const MatrixView<const T> &X) {
  const Index row = std::max<Index>(1, X.cols * static_cast<Index>(sizeof(T)));
  const Index fit = kDenseBlockBytes / row / 32 * 32;
  return std::clamp<Index>(fit, 32, 512);
}

template <class T, class I> Index block_rows(const CsrView<T, I> &) { return kCsrBlock; }

template <class T> double entries(const MatrixView<const T> &X) {
  return double(X.rows) * double(X.cols);
}

template <class T, class I> double entries(const CsrView<T, I> &X) {
  return double(X.indptr[X.rows]);
}

template <class T, class I> const auto &csr_of(const Kernels<T> &K, const CsrView<T, I> &) {
  if constexpr (sizeof(I) == 4)
    return K.csr32;
  else
    return K.csr64;
}

template <class T>
MatrixView<T> rows_of(MatrixView<T> A, Index first, Index last) {
  return {A.data + first * A.stride, last - first, A.cols, A.stride};
}

template <class T>
void product(const Kernels<T> &K, const MatrixView<const T> &X, Index first, Index last,
             const T *B, int k, MatrixView<T> out, void *scratch) {
  K.dense.product(rows_of(X, first, last), B, k, rows_of(out, first, last), blas, scratch);
}

template <class T, class I>
void product(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
             const T *B, int k, MatrixView<T> out, void *scratch) {
  csr_of(K, X).product(X, first, last, B, k, out, scratch);
}

template <class T>
void transposed(const Kernels<T> &K, const MatrixView<const T> &X, Index first, Index last,
                MatrixView<const T> A, T *sum, void *scratch) {
  K.dense.transposed(rows_of(X, first, last), rows_of(A, first, last), sum, blas, scratch);
}

template <class T, class I>
void transposed(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
                MatrixView<const T> A, T *sum, void *scratch) {
  csr_of(K, X).transposed(X, first, last, A, sum, scratch);
}

// The features [column, column_end) of X'A, over all rows.
template <class T>
void transposed_panel(const Kernels<T> &K, const MatrixView<const T> &X, Index column,
                      Index column_end, MatrixView<const T> A, T *sum, void *scratch) {
  const Index step = block_rows(X);
  T *const panel = sum + column * K.padded(static_cast<int>(A.cols));
  for (Index first = 0; first < X.rows; first += step) {
    const Index last = std::min(first + step, X.rows);
    const MatrixView<const T> part{X.data + first * X.stride + column, last - first,
                                   column_end - column, X.stride};
    K.dense.transposed(part, rows_of(A, first, last), panel, blas, scratch);
  }
}

template <class T, class I>
void transposed_panel(const Kernels<T> &K, const CsrView<T, I> &X, Index column,
                      Index column_end, MatrixView<const T> A, T *sum, void *scratch) {
  csr_of(K, X).transposed_panel(X, column, column_end, A, sum, scratch);
}

template <class T>
void update_block(const Kernels<T> &K, const MatrixView<const T> &X, Index first,
                  Index last, const T *B, const Sweep<T> &s, MatrixView<T> A,
                  BlockSums<T> &sums, void *scratch) {
  K.dense.update(rows_of(X, first, last), B, s, rows_of(A, first, last), sums, blas,
                 scratch);
}

template <class T, class I>
void update_block(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
                  const T *B, const Sweep<T> &s, MatrixView<T> A, BlockSums<T> &sums,
                  void *scratch) {
  csr_of(K, X).update(X, first, last, B, s, A, sums, scratch);
}

// ---- parts of a pass -------------------------------------------------------------------

// How a pass is cut: from shapes and k alone, never from the number of threads.
struct Cut {
  Index block, n_blocks;
  int n_slots; // 0: the accumulators would be too large; panels of features instead
  Index slot_size;

  Index first_block(Index slot) const { return n_blocks * slot / n_slots; }
};

template <class T, class X> Cut cut_pass(const Kernels<T> &K, const X &x, int k) {
  Cut cut;
  cut.block = block_rows(x);
  cut.n_blocks = std::max<Index>(1, ceil_div(x.rows, cut.block));
  cut.slot_size = x.cols * K.padded(k);
  const Index bytes = std::max<Index>(1, cut.slot_size * 8);
  const Index fitting = std::clamp<Index>(kSlotBytes / bytes, 2, kMostSlots);
  cut.n_slots =
      static_cast<int>(std::min({fitting, kMostSlotBytes / bytes, cut.n_blocks}));
  return cut;
}

template <class T>
bool pack_factor(const Kernels<T> &K, MatrixView<const T> B, T *packed, Run run) {
  const int kp = K.padded(static_cast<int>(B.cols));
  auto task = [&](int64_t i, int) {
    const Index first = i * kFactorBlock;
    K.pack(rows_of(B, first, std::min(first + kFactorBlock, B.rows)), packed + first * kp);
  };
  return parallel_for(ceil_div(B.rows, kFactorBlock),
                      threads_for(double(B.rows) * kp / 4, run.n_threads), task, run.poll);
}

template <class T>
bool add_slots(const Kernels<T> &K, const T *slots, Index slot_size, int n_slots,
               MatrixView<T> out, Run run) {
  auto task = [&](int64_t i, int) {
    const Index first = i * kFactorBlock;
    K.reduce(slots, slot_size, n_slots, first, std::min(first + kFactorBlock, out.rows),
             out);
  };
  const double work = double(out.rows) * double(out.cols) * n_slots;
  return parallel_for(ceil_div(out.rows, kFactorBlock), threads_for(work, run.n_threads),
                      task, run.poll);
}

void symmetrize(double *G, int k) {
  for (int i = 0; i < k; ++i)
    for (int j = 0; j < i; ++j)
      G[i * k + j] = G[j * k + i];
}

// G = sum of the n parts, in order.
void add_grams(const double *parts, Index n, int k, double *G) {
  std::fill(G, G + k * k, 0.0);
  for (Index s = 0; s < n; ++s)
    for (int i = 0; i < k * k; ++i)
      G[i] += parts[s * k * k + i];
  symmetrize(G, k);
}

void add_sums(const std::vector<SweepSums> &parts, SweepSums &sums) {
  for (const SweepSums &part : parts) {
    sums.violation += part.violation;
    sums.cross += part.cross;
  }
}

// X'A by panels of features, for factors too large to hold an accumulator per slot.
template <class T, class X>
bool rmatmul_by_panels(const Kernels<T> &K, const X &x, MatrixView<const T> A,
                       MatrixView<T> out, Run run) {
  const int k = static_cast<int>(A.cols), kp = K.padded(k);
  const Buffer<T> sum(static_cast<size_t>(x.cols * kp));
  const Scratch scratch(K.scratch_bytes(block_rows(x), k), run.n_threads);
  auto task = [&](int64_t i, int worker) {
    const Index column = x.cols * i / kPanels, end = x.cols * (i + 1) / kPanels;
    std::fill(sum.get() + column * kp, sum.get() + end * kp, T(0));
    transposed_panel(K, x, column, end, A, sum.get(), scratch(worker));
  };
  return parallel_for(kPanels, run.n_threads, task, run.poll) &&
         add_slots(K, sum.get(), 0, 1, out, run);
}

} // namespace

// ---- drivers ---------------------------------------------------------------------------

template <class T>
bool sweep(const Kernels<T> &K, const Sweep<T> &s, MatrixView<T> A, MatrixView<const T> P,
           SweepSums &sums, Run run) {
  const Index n_tasks = ceil_div(A.rows, kFactorBlock);
  const int n_threads = threads_for(double(A.rows) * s.k * s.k, run.n_threads);
  std::vector<SweepSums> parts(static_cast<size_t>(n_tasks));
  const Scratch scratch(K.scratch_bytes(0, s.k), n_threads);
  auto task = [&](int64_t i, int worker) {
    const Index first = i * kFactorBlock, last = std::min(first + kFactorBlock, A.rows);
    SweepSums part;
    K.sweep(s, rows_of(A, first, last), rows_of(P, first, last), part, scratch(worker));
    parts[static_cast<size_t>(i)] = part;
  };
  const bool done = parallel_for(n_tasks, n_threads, task, run.poll);
  add_sums(parts, sums);
  return done;
}

template <class T>
bool gram(const Kernels<T> &K, MatrixView<const T> A, double *G, Run run) {
  const int k = static_cast<int>(A.cols);
  // few parts for a large k, so that they stay small beside the factor itself
  const Index n_tasks = std::clamp<Index>(ceil_div(A.rows, kFactorBlock), 1, 8);
  const int n_threads = threads_for(double(A.rows) * k * k / 2, run.n_threads);
  const Buffer<double> parts(static_cast<size_t>(n_tasks * k * k));
  std::fill(parts.get(), parts.get() + n_tasks * k * k, 0.0);
  const Scratch scratch(K.scratch_bytes(0, k), n_threads);
  auto task = [&](int64_t i, int worker) {
    K.gram(rows_of(A, A.rows * i / n_tasks, A.rows * (i + 1) / n_tasks),
           parts.get() + i * k * k, scratch(worker));
  };
  const bool done = parallel_for(n_tasks, n_threads, task, run.poll);
  add_grams(parts.get(), n_tasks, k, G);
  return done;
}

template <class T, class X>
bool matmul(const Kernels<T> &K, const X &x, MatrixView<const T> B, MatrixView<T> out,
            Run run) {
  const int k = static_cast<int>(B.cols);
  const Buffer<T> packed(static_cast<size_t>(B.rows * K.padded(k)));
  if (!pack_factor(K, B, packed.get(), run))
    return false;
  const Index block = block_rows(x);
  const int n_threads = threads_for(entries(x) * k, run.n_threads);
  const Scratch scratch(K.scratch_bytes(block, k), n_threads);
  auto task = [&](int64_t i, int worker) {
    const Index first = i * block, last = std::min(first + block, x.rows);
    product(K, x, first, last, packed.get(), k, out, scratch(worker));
  };
  return parallel_for(ceil_div(x.rows, block), n_threads, task, run.poll);
}

template <class T, class X>
bool rmatmul(const Kernels<T> &K, const X &x, MatrixView<const T> A, MatrixView<T> out,
             Run run) {
  const int k = static_cast<int>(A.cols);
  const Cut cut = cut_pass(K, x, k);
  if (cut.n_slots == 0)
    return rmatmul_by_panels(K, x, A, out, run);
  const int n_threads = threads_for(entries(x) * k, run.n_threads);
  const Buffer<T> slots(static_cast<size_t>(cut.n_slots * cut.slot_size));
  const Scratch scratch(K.scratch_bytes(cut.block, k), n_threads);
  auto task = [&](int64_t slot, int worker) {
    T *const sum = slots.get() + slot * cut.slot_size;
    std::fill(sum, sum + cut.slot_size, T(0));
    for (Index b = cut.first_block(slot); b < cut.first_block(slot + 1); ++b)
      transposed(K, x, b * cut.block, std::min((b + 1) * cut.block, x.rows), A, sum,
                 scratch(worker));
  };
  return parallel_for(cut.n_slots, n_threads, task, run.poll) &&
         add_slots(K, slots.get(), cut.slot_size, cut.n_slots, out, run);
}

namespace {

// Fused half-step without sums over X, or where they would take too much memory.
template <class T, class X>
bool update_rows(const Kernels<T> &K, const X &x, const T *packed, const Sweep<T> &s,
                 MatrixView<T> A, SweepSums &sums, Run run) {
  const Index block = block_rows(x), n_blocks = ceil_div(x.rows, block);
  const int n_threads = threads_for(entries(x) * s.k, run.n_threads);
  const Scratch scratch(K.scratch_bytes(block, s.k), n_threads);
  std::vector<SweepSums> parts(static_cast<size_t>(n_blocks));
  auto task = [&](int64_t i, int worker) {
    BlockSums<T> part{nullptr, nullptr, {}};
    const Index first = i * block, last = std::min(first + block, x.rows);
    update_block(K, x, first, last, packed, s, A, part, scratch(worker));
    parts[static_cast<size_t>(i)] = part.sweep;
  };
  const bool done = parallel_for(n_blocks, n_threads, task, run.poll);
  add_sums(parts, sums);
  return done;
}

} // namespace

template <class T, class X>
bool update(const Kernels<T> &K, const X &x, MatrixView<const T> Ht, const Sweep<T> &s,
            MatrixView<T> A, MatrixView<T> rhs, double *G, SweepSums &sums, Run run) {
  const Buffer<T> packed(static_cast<size_t>(Ht.rows * K.padded(s.k)));
  if (!pack_factor(K, Ht, packed.get(), run))
    return false;
  const Cut cut = cut_pass(K, x, s.k);
  if (!rhs.data)
    return update_rows(K, x, packed.get(), s, A, sums, run);
  if (cut.n_slots == 0) {
    const MatrixView<const T> fixed{A.data, A.rows, A.cols, A.stride};
    return update_rows(K, x, packed.get(), s, A, sums, run) && gram(K, fixed, G, run) &&
           rmatmul_by_panels(K, x, fixed, rhs, run);
  }
  const int n_threads = threads_for(2 * entries(x) * s.k, run.n_threads);
  const Buffer<T> slots(static_cast<size_t>(cut.n_slots * cut.slot_size));
  const Buffer<double> grams(static_cast<size_t>(cut.n_slots * s.k * s.k));
  const Scratch scratch(K.scratch_bytes(cut.block, s.k), n_threads);
  std::vector<SweepSums> parts(static_cast<size_t>(cut.n_slots));
  auto task = [&](int64_t slot, int worker) {
    BlockSums<T> part{slots.get() + slot * cut.slot_size, grams.get() + slot * s.k * s.k,
                      {}};
    std::fill(part.rhs, part.rhs + cut.slot_size, T(0));
    std::fill(part.gram, part.gram + s.k * s.k, 0.0);
    for (Index b = cut.first_block(slot); b < cut.first_block(slot + 1); ++b)
      update_block(K, x, b * cut.block, std::min((b + 1) * cut.block, x.rows),
                   packed.get(), s, A, part, scratch(worker));
    parts[static_cast<size_t>(slot)] = part.sweep;
  };
  if (!parallel_for(cut.n_slots, n_threads, task, run.poll))
    return false;
  add_sums(parts, sums);
  add_grams(grams.get(), cut.n_slots, s.k, G);
  return add_slots(K, slots.get(), cut.slot_size, cut.n_slots, rhs, run);
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(T, ...)                                                             \
  template bool matmul<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,            \
                                       MatrixView<const T>, MatrixView<T>, Run);           \
  template bool rmatmul<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,           \
                                        MatrixView<const T>, MatrixView<T>, Run);          \
  template bool update<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,            \
                                       MatrixView<const T>, const Sweep<T> &,              \
                                       MatrixView<T>, MatrixView<T>, double *,             \
                                       SweepSums &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  template bool sweep<T>(const Kernels<T> &, const Sweep<T> &, MatrixView<T>,              \
                         MatrixView<const T>, SweepSums &, Run);                           \
  template bool gram<T>(const Kernels<T> &, MatrixView<const T>, double *, Run);           \
  NONNEG_STORAGE(T, MatrixView<const T>)                                                   \
  NONNEG_STORAGE(T, CsrView<T, int32_t>)                                                   \
  NONNEG_STORAGE(T, CsrView<T, int64_t>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
