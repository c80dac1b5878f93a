// Rows of a CSR matrix in another order, each in runs of entries by the classes of their columns.
#pragma once

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// Where the entries go: `room` of them, a pointer for each run of each row and one more, and sums
// and sums of squares of each run.
template <class T, class I> struct RunEntries {
  T *values;
  I *indices, *pointers;
  double *sums, *squares;
  Index room;
};

// Row rows[i] of x as row i, in n_classes runs: the entries of columns j with class_of[j] = 0, then
// those with 1, and so on, each as column place[j].
template <class T, class I>
bool order_runs(const CsrView<T, I> &x, const I *rows, Index n_rows, const I *place,
                const I *class_of, Index n_classes, const RunEntries<T, I> &, Run);

} // namespace nonneg
