#include "drivers/products.hpp"

#include <vector>

#include "drivers/buffers.hpp"
#include "drivers/grams.hpp"
#include "drivers/packing.hpp"
#include "drivers/slots.hpp"
#include "drivers/storage.hpp"

namespace nonneg {

Blas blas;

namespace {

template <class T>
void product(const Kernels<T> &K, const MatrixView<const T> &X, Index first, Index last,
             const T *B, int k, MatrixView<T> out, void *scratch) {
  K.products.dense.product(rows_of(X, first, last), B, k, rows_of(out, first, last), blas, scratch);
}

template <class T, class I>
void product(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
             const T *B, int k, MatrixView<T> out, void *scratch) {
  csr_of(K.products, X).product(X, first, last, B, k, out, scratch);
}

template <class T>
void transposed(const Kernels<T> &K, const MatrixView<const T> &X, Index first, Index last,
                MatrixView<const T> A, T *sum, void *scratch) {
  K.products.dense.transposed(rows_of(X, first, last), rows_of(A, first, last), sum, blas, scratch);
}

template <class T, class I>
void transposed(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
                MatrixView<const T> A, T *sum, void *scratch) {
  csr_of(K.products, X).transposed(X, first, last, A, sum, scratch);
}

// The features [column, column_end) of X'A, over all rows.
template <class T>
void transposed_panel(const Kernels<T> &K, const MatrixView<const T> &X, Index column,
                      Index column_end, MatrixView<const T> A, T *sum, void *scratch) {
  const Index step = block_rows(X);
  T *const panel = sum + column * K.products.padded(static_cast<int>(A.cols));
  for (Index first = 0; first < X.rows && !asked_to_stop(); first += step) {
    const Index last = std::min(first + step, X.rows);
    const MatrixView<const T> part{X.data + first * X.stride + column, last - first,
                                   column_end - column, X.stride};
    K.products.dense.transposed(part, rows_of(A, first, last), panel, blas, scratch);
  }
}

template <class T, class I>
void transposed_panel(const Kernels<T> &K, const CsrView<T, I> &X, Index column,
                      Index column_end, MatrixView<const T> A, T *sum, void *scratch) {
  for (Index first = 0; first < X.rows && !asked_to_stop(); first += kPanelRows) {
    const Index last = std::min(first + kPanelRows, X.rows);
    csr_of(K.products, X)
        .transposed_panel(rows_of(X, first, last), column, column_end, rows_of(A, first, last),
                          sum, scratch);
  }
}

template <class T>
double errors(const Kernels<T> &K, const MatrixView<const T> &X, Index first, Index last,
              MatrixView<const T> W, const T *H, int width, T *Y) {
  return K.products.dense.squared_error(rows_of(X, first, last), W, H, width, Y, blas);
}

template <class T, class I>
double errors(const Kernels<T> &K, const CsrView<T, I> &X, Index first, Index last,
              MatrixView<const T> W, const T *H, int width, T *Y) {
  return csr_of(K.products, X).squared_error(rows_of(X, first, last), W, H, width, Y, blas);
}

// X'A by panels of features, for factors too large to hold an accumulator per slot.
template <class T, class X>
bool rmatmul_by_panels(const Kernels<T> &K, const X &x, MatrixView<const T> A,
                       MatrixView<T> out, Run run) {
  const int k = static_cast<int>(A.cols), kp = K.products.padded(k);
  const Buffer<T> sum(static_cast<size_t>(x.cols * kp));
  std::fill(sum.get(), sum.get() + x.cols * kp, T(0));
  const Scratch scratch(K.products.scratch_bytes(block_rows(x), kp, k), run.n_threads);
  auto part = [&](const ViewOf<X> &rows, Index row) {
    const MatrixView<const T> rows_of_A = rows_of(A, row, row + rows.rows);
    auto task = [&](int64_t i, int worker) {
      transposed_panel(K, rows, x.cols * i / kPanels, x.cols * (i + 1) / kPanels, rows_of_A,
                       sum.get(), scratch(worker));
    };
    return parallel_for(kPanels, run.n_threads, task, run.poll);
  };
  return for_parts(x, block_rows(x), part) && add_slots(K, sum.get(), 0, 1, kp, out, run);
}

} // namespace

template <class T>
bool gram(const Kernels<T> &K, MatrixView<const T> A, double *G, Run run) {
  const int k = static_cast<int>(A.cols);
  // few parts for a large k, so that they stay small beside the factor itself
  const Index n_tasks = std::clamp<Index>(ceil_div(A.rows, kFactorBlock), 1, 8);
  const int n_threads = threads_for(double(A.rows) * k * k / 2, run.n_threads);
  const Buffer<double> parts(static_cast<size_t>(n_tasks * k * k));
  std::fill(parts.get(), parts.get() + n_tasks * k * k, 0.0);
  const Scratch scratch(K.products.scratch_bytes(0, K.products.padded(k), k), n_threads);
  auto task = [&](int64_t i, int worker) {
    const Index end = A.rows * (i + 1) / n_tasks;
    for (Index row = A.rows * i / n_tasks; row < end && !asked_to_stop(); row += kGramRows)
      K.products.gram(rows_of(A, row, std::min(row + kGramRows, end)),
                      parts.get() + i * k * k, scratch(worker));
  };
  const bool done = parallel_for(n_tasks, n_threads, task, run.poll);
  add_grams(parts.get(), n_tasks, k, G);
  return done;
}

template <class T>
bool summary(const Kernels<T> &K, MatrixView<const T> X, Summary &out, Run run) {
  const Index block = std::max<Index>(1, kSummaryBlock / std::max<Index>(1, X.cols));
  const Index n_tasks = ceil_div(X.rows, block);
  std::vector<Summary> parts(static_cast<size_t>(n_tasks));
  auto task = [&](int64_t i, int) {
    K.products.summary(rows_of(X, i * block, std::min((i + 1) * block, X.rows)),
              parts[static_cast<size_t>(i)]);
  };
  const double work = double(X.rows) * double(X.cols);
  const bool done =
      parallel_for(n_tasks, threads_for(work, run.n_threads), task, run.poll);
  for (const Summary &part : parts)
    add(part, out);
  return done;
}

template <class T, class X>
bool matmul(const Kernels<T> &K, const X &x, MatrixView<const T> B, MatrixView<T> out,
            Run run) {
  const int k = static_cast<int>(B.cols), kp = K.products.padded(k);
  const Buffer<T> packed(static_cast<size_t>(B.rows * kp));
  if (!pack_factor(K, B, packed.get(), kp, run))
    return false;
  const Index block = block_rows(x);
  const int n_threads = threads_for(entries(x) * k, run.n_threads);
  const Scratch scratch(K.products.scratch_bytes(block, kp, k), n_threads);
  const Index n_blocks = ceil_div(x.rows, block);
  auto task = [&](Index, const Block<ViewOf<X>> &rows, int worker) {
    product(K, rows.x, rows.first, rows.last, packed.get(), k,
            rows_of(out, rows.origin, rows.origin + rows.x.rows), scratch(worker));
  };
  return for_tasks(x, block, n_blocks, std::min(n_blocks, kMostTasks), n_threads, run, task);
}

template <class T, class X>
bool rmatmul(const Kernels<T> &K, const X &x, MatrixView<const T> A, MatrixView<T> out,
             Run run) {
  const int k = static_cast<int>(A.cols), kp = K.products.padded(k);
  const Cut cut = cut_pass(x, x.cols * kp);
  if (cut.n_slots == 0)
    return rmatmul_by_panels(K, x, A, out, run);
  const int n_threads = threads_for(entries(x) * k, run.n_threads);
  const Buffer<T> slots(static_cast<size_t>(cut.n_slots * cut.slot_size));
  const Scratch scratch(K.products.scratch_bytes(cut.block, kp, k), n_threads);
  auto task = [&](Index slot, const Block<ViewOf<X>> &rows, int worker) {
    T *const sum = cut.opened(slots.get(), slot, rows.number);
    transposed(K, rows.x, rows.first, rows.last,
               rows_of(A, rows.origin, rows.origin + rows.x.rows), sum, scratch(worker));
  };
  return for_tasks(x, cut.block, cut.n_blocks, cut.n_slots, n_threads, run, task) &&
         add_slots(K, slots.get(), cut.slot_size, cut.n_slots, kp, out, run);
}

template <class T, class X>
bool squared_error(const Kernels<T> &K, const X &x, MatrixView<const T> W,
                   MatrixView<const T> Ht, double &sum, Run run) {
  const int width = K.products.padded(tile_columns(x.cols));
  const Buffer<T> H(static_cast<size_t>(W.cols * width));
  if (!turn(Ht, H.get(), width, run))
    return false;
  const Index block = block_rows(x), n_blocks = ceil_div(x.rows, block);
  const Index step = std::clamp<Index>(kErrorEntries / width, 1, block);
  const Index n_tasks = std::min(n_blocks, kMostTasks);
  const double work = double(x.rows) * double(x.cols) * double(W.cols);
  const int n_threads = threads_for(work, run.n_threads);
  const Scratch scratch(static_cast<size_t>(step * width) * sizeof(T), n_threads);
  std::vector<double> parts(static_cast<size_t>(n_tasks));
  auto task = [&](Index number, const Block<ViewOf<X>> &rows, int worker) {
    for (Index first = rows.first; first < rows.last; first += step) {
      const Index last = std::min(first + step, rows.last);
      parts[static_cast<size_t>(number)] +=
          errors(K, rows.x, first, last, rows_of(W, rows.origin + first, rows.origin + last),
                 H.get(), width, static_cast<T *>(scratch(worker)));
    }
  };
  const bool done = for_tasks(x, block, n_blocks, n_tasks, n_threads, run, task);
  sum = 0;
  for (const double part : parts)
    sum += part;
  return done;
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(name, T, ...)                                                            \
  template bool matmul<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,            \
                                       MatrixView<const T>, MatrixView<T>, Run);           \
  template bool rmatmul<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,           \
                                        MatrixView<const T>, MatrixView<T>, Run);          \
  template bool squared_error<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,     \
                                              MatrixView<const T>, MatrixView<const T>,    \
                                              double &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  template bool gram<T>(const Kernels<T> &, MatrixView<const T>, double *, Run);           \
  template bool summary<T>(const Kernels<T> &, MatrixView<const T>, Summary &, Run);       \
  NONNEG_STORAGES(NONNEG_STORAGE, T, MatrixView<const T>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
