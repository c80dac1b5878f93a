#include "newton.hpp"

#include <vector>

#include "cutting.hpp"

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

// Runs block(first, last, sums, scratch) over all rows and adds the sums up in order.
template <class F>
bool for_blocks(Index n_rows, Index block, size_t scratch_bytes, int n_threads, F fn,
                NewtonSums &sums, Run run) {
  const Index n_blocks = ceil_div(n_rows, block);
  const Scratch scratch(scratch_bytes, n_threads);
  std::vector<NewtonSums> parts(static_cast<size_t>(n_blocks));
  auto task = [&](int64_t i, int worker) {
    fn(i * block, std::min((i + 1) * block, n_rows), parts[static_cast<size_t>(i)],
       scratch(worker));
  };
  if (!parallel_for(n_blocks, n_threads, task, run.poll))
    return false;
  for (const NewtonSums &part : parts)
    sums.add(part);
  return true;
}

} // namespace

template <class T, class X>
bool newton(const Kernels<T> &K, const X &x, const Newton<T> &how, const RowArrays<T> &rows,
            MatrixView<const T> Ht, NewtonSums &sums, Run run) {
  const int n_threads = threads_for(4 * entries(x) * how.k, run.n_threads);
  if constexpr (std::is_same_v<X, StridedView<T>>) {
    const Index h_width = K.padded(static_cast<int>(x.cols));
    const Buffer<T> H(static_cast<size_t>(how.k * h_width));
    if (!turn(Ht, H.get(), h_width, run))
      return false;
    return for_blocks(
        x.rows, kDenseRows, K.newton_scratch(0, x.cols, how.k, false), n_threads,
        [&](Index first, Index last, NewtonSums &part, void *scratch) {
          K.dense.newton(x, first, last, H.get(), h_width, how, rows, part, scratch);
        },
        sums, run);
  } else {
    const int kp = K.padded(how.k);
    const Buffer<T> packed(static_cast<size_t>(x.cols * kp));
    if (!pack_factor(K, Ht, packed.get(), kp, run))
      return false;
    return for_blocks(
        x.rows, kCsrBlock, K.newton_scratch(kCsrBlock, longest_row(x), how.k, true),
        n_threads,
        [&](Index first, Index last, NewtonSums &part, void *scratch) {
          csr_of(K, x).newton(x, first, last, packed.get(), kp, how, rows, part, scratch);
        },
        sums, run);
  }
}

#define NONNEG_STORAGE(T, ...)                                                             \
  template bool newton<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,            \
                                       const Newton<T> &, const RowArrays<T> &,            \
                                       MatrixView<const T>, NewtonSums &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  NONNEG_STORAGE(T, StridedView<T>)                                                        \
  NONNEG_STORAGE(T, CsrView<T, int32_t>)                                                   \
  NONNEG_STORAGE(T, CsrView<T, int64_t>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
