// Table of the kernels of the family "bounded": rows of a factor within bounds, whose sums
// may be given as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include "kernels/views.hpp"

namespace nonneg {

// Row by row, 1/2 a G a' - (p - l1) a' over lower <= a <= upper; with sums also over rows
// that sum up to a total, or to at most that.
struct BoxMethod {
  const double *gram; // k x k, positive semi-definite
  const double *l1;   // k
  int k;
  bool exact;      // pivoting, else sweeps, which know no sums
  int most;        // sweeps at most, or exchanges of passive sets
  double settled;  // a row stops at this share of its first squared step
  double vanishing; // an entry that falls below this share of itself becomes 0
  double ridge;    // added to the diagonal where an exact solve factors
  double tolerance; // share of a row's scale below which a sign does not count
  bool at_most;
};

// Bounds with one row are those of all rows. `total` has a number for each row, or is null.
template <class T> struct BoxRows {
  MatrixView<const T> start, P, lower, upper;
  MatrixView<T> solved;
  const double *total;
  uint8_t *unsolved; // one for each row that pivoting did not finish; it is left as it was
};

struct BoxSums {
  double cross = 0, decrease = 0, sweeps = 0;
  double *measures = nullptr; // 2 k sums of squares: projected gradient, right-hand side
};

template <class T> struct BoundedKernels {
  size_t (*scratch_bytes)(int k);
  void (*solve)(const BoxMethod &, const BoxRows<T> &, Index first, Index last, BoxSums &,
                void *scratch);
};

} // namespace nonneg
