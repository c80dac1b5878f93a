#include "drivers/ordering.hpp"

#include <algorithm>
#include <stdexcept>

#include "drivers/tuning.hpp"

namespace nonneg {

namespace {

// The entries of a row of x; the first of `pointers` says where they go.
template <class T, class I>
void order_row(const CsrView<T, I> &x, Index row, const I *place, const I *class_of,
               Index n_classes, const RunEntries<T, I> &out, Index i) {
  I *const pointers = out.pointers + i * n_classes;
  double *const sums = out.sums + i * n_classes, *const squares = out.squares + i * n_classes;
  const Index first = x.indptr[row], last = x.indptr[row + 1];
  I next = pointers[0];
  std::fill_n(pointers, n_classes, I(0));
  for (Index e = first; e < last; ++e)
    ++pointers[class_of[x.indices[e]]];
  I begin = next;
  for (Index c = 0; c < n_classes; ++c) {
    const I count = pointers[c];
    pointers[c] = next;
    next += count;
  }
  for (Index e = first; e < last; ++e) {
    const I column = x.indices[e], to = pointers[class_of[column]]++;
    out.values[to] = x.values[e];
    out.indices[to] = place[column];
  }
  for (Index c = 0; c < n_classes; ++c) { // each pointer is at the end of its run
    const I end = pointers[c];
    pointers[c] = begin;
    double sum = 0, square = 0;
    for (; begin < end; ++begin) {
      const double value = static_cast<double>(out.values[begin]);
      sum += value;
      square += value * value;
    }
    sums[c] = sum, squares[c] = square;
  }
}

} // namespace

template <class T, class I>
bool order_runs(const CsrView<T, I> &x, const I *rows, Index n_rows, const I *place,
                const I *class_of, Index n_classes, const RunEntries<T, I> &out, Run run) {
  Index n = 0;
  for (Index i = 0; i < n_rows; ++i) {
    out.pointers[i * n_classes] = static_cast<I>(n);
    n += x.indptr[rows[i] + 1] - x.indptr[rows[i]];
    if (n > out.room) // a row is there more than once
      throw std::length_error("the arrays have no room for the entries of the rows");
  }
  out.pointers[n_rows * n_classes] = static_cast<I>(n);
  auto task = [&](int64_t block, int) {
    const Index first = block * kFactorBlock, last = std::min(first + kFactorBlock, n_rows);
    for (Index i = first; i < last; ++i)
      order_row(x, rows[i], place, class_of, n_classes, out, i);
  };
  const double work = 4.0 * static_cast<double>(n);
  return parallel_for(ceil_div(n_rows, kFactorBlock), threads_for(work, run.n_threads), task,
                      run.poll);
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_INDEX(T, I)                                                                 \
  template bool order_runs<T, I>(const CsrView<T, I> &, const I *, Index, const I *,       \
                                 const I *, Index, const RunEntries<T, I> &, Run);

NONNEG_INDEX(float, int32_t)
NONNEG_INDEX(float, int64_t)
NONNEG_INDEX(double, int32_t)
NONNEG_INDEX(double, int64_t)

} // namespace nonneg
