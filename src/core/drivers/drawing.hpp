// Rows of a CSR or CSC matrix that are drawn, each times a number, as a matrix of their own.
#pragma once

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// Where the entries go: `room` of them, and a pointer for each line of the result and one more.
template <class T, class I> struct DrawnEntries {
  T *values;
  I *indices, *pointers;
  Index room;
};

// Rows `rows` of a CSR x, row i times scale[i].
template <class T, class I>
bool draw_rows(const CsrView<T, I> &x, const I *rows, Index n_rows, const T *scale,
               const DrawnEntries<T, I> &, Run);

// The columns of a CSR x that have a place, each times its scale; places rise. So the rows of a
// CSC are drawn.
template <class T, class I>
bool draw_columns(const CsrView<T, I> &x, const I *place, const T *scale,
                  const DrawnEntries<T, I> &, Run);

} // namespace nonneg
