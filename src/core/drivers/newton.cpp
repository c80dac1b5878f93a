#include "drivers/newton.hpp"

#include <algorithm>
#include <vector>

#include "drivers/buffers.hpp"
#include "drivers/packing.hpp"
#include "drivers/storage.hpp"

namespace nonneg {
namespace {

constexpr Index kDenseRows = 16; // a cache line of columns of a dense X read by columns

template <class T> double entries(const StridedView<T> &X) {
  return double(X.rows) * double(X.cols);
}

template <class T, class I> Index longest_row(const CsrView<T, I> &X) {
  Index longest = 0;
  for (Index i = 0; i < X.rows; ++i)
    longest = std::max<Index>(longest, X.indptr[i + 1] - X.indptr[i]);
  return longest;
}

template <class View> Index longest_row(const Stream<View> &X) { return X.longest; }

// Runs fn(block, sums, scratch) over all rows and adds the sums up in order.
template <class X, class F>
bool for_blocks(const X &x, Index block, size_t scratch_bytes, int n_threads, F fn,
                NewtonSums &sums, Run run) {
  const Index n_blocks = ceil_div(x.rows, block), n_tasks = std::min(n_blocks, kMostTasks);
  const Scratch scratch(scratch_bytes, n_threads);
  std::vector<NewtonSums> parts(static_cast<size_t>(n_tasks));
  auto task = [&](Index i, const Block<ViewOf<X>> &rows, int worker) {
    fn(rows, parts[static_cast<size_t>(i)], scratch(worker));
  };
  if (!for_tasks(x, block, n_blocks, n_tasks, n_threads, run, task))
    return false;
  for (const NewtonSums &part : parts)
    sums.add(part);
  return true;
}

// A block of rows; where these have penalties and column sums of their own, one by one.
template <class T, class View, class H, class Half>
void newton_block(Half half_step, const Block<View> &b, const T *B, H width,
                  const Newton<T> &options, const RowArrays<T> &rows, NewtonSums &sums,
                  void *scratch, T *own) {
  if (!options.linear && !options.bent) {
    half_step(b.x, b.first, b.last, B, width, options, rows, sums, scratch);
    return;
  }
  Newton<T> alone = options;
  T *const none = own + options.k;
  if (options.linear) {
    std::fill(none, none + options.k, T(0));
    alone.l1 = none;
  }
  for (Index i = b.first; i < b.last && !asked_to_stop(); ++i) {
    if (options.linear)
      alone.column_sums = options.linear + (b.origin + i) * options.k;
    if (options.bent) {
      const double share = options.bent[b.origin + i];
      for (int t = 0; t < options.k; ++t)
        own[t] = static_cast<T>(share * static_cast<double>(options.l2[t]));
      alone.l2 = own;
    }
    half_step(b.x, i, i + 1, B, width, alone, rows, sums, scratch);
  }
}

} // namespace

template <class T, class X>
bool newton(const Kernels<T> &K, const X &x, const Newton<T> &options, const RowArrays<T> &rows,
            MatrixView<const T> Ht, NewtonSums &sums, Run run) {
  const int n_threads = threads_for(4 * entries(x) * options.k, run.n_threads);
  const size_t own_bytes = (2 * sizeof(T) * static_cast<size_t>(options.k) + 63) / 64 * 64;
  // the numbers of a row come before the scratch of the kernels
  const auto behind = [&](void *scratch) { return static_cast<char *>(scratch) + own_bytes; };
  using View = ViewOf<X>;
  if constexpr (std::is_same_v<View, StridedView<T>>) {
    const Index h_width = K.products.padded(tile_columns(x.cols));
    const Buffer<T> H(static_cast<size_t>(options.k * h_width));
    if (!turn(Ht, H.get(), h_width, run))
      return false;
    return for_blocks(
        x, kDenseRows, own_bytes + K.newton.scratch_bytes(0, x.cols, options.k, false), n_threads,
        [&](const Block<View> &b, NewtonSums &part_sums, void *scratch) {
          newton_block(K.newton.dense.half_step, b, H.get(), h_width, options,
                       rows_of(rows, b.origin, b.origin + b.x.rows), part_sums, behind(scratch),
                       static_cast<T *>(scratch));
        },
        sums, run);
  } else {
    const int kp = K.products.padded(options.k);
    const Buffer<T> packed(static_cast<size_t>(x.cols * kp));
    if (!pack_factor(K, Ht, packed.get(), kp, run))
      return false;
    return for_blocks(
        x, kCsrBlock, own_bytes + K.newton.scratch_bytes(kCsrBlock, longest_row(x), options.k, true),
        n_threads,
        [&](const Block<View> &b, NewtonSums &part_sums, void *scratch) {
          newton_block(csr_of(K.newton, b.x).half_step, b, packed.get(), kp, options,
                       rows_of(rows, b.origin, b.origin + b.x.rows), part_sums, behind(scratch),
                       static_cast<T *>(scratch));
        },
        sums, run);
  }
}

#define NONNEG_STORAGE(name, T, ...)                                                            \
  template bool newton<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,            \
                                       const Newton<T> &, const RowArrays<T> &,            \
                                       MatrixView<const T>, NewtonSums &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  NONNEG_STORAGES(NONNEG_STORAGE, T, StridedView<T>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
