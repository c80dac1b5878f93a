// Revival of components that are 0: a column of W and a row of H from what the others leave over.
#pragma once

#include <vector>

#include "drivers/run.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

template <class T> struct Revival {
  bool by_columns;               // the rows of the matrix that is read are those of H
  MatrixView<T> W, H;            // contiguous rows; dead components are written
  std::vector<Index> dead;       // components
  MatrixView<const T> starts;    // a row of H to begin with for each of them
  int rounds;                    // solves for the column of W beside the row of H and back
};

// `decrease` becomes that of 1/2 |X - W H'|^2. False if the run was asked to stop.
template <class T, class X>
bool revive(const Kernels<T> &, const X &, const Revival<T> &, double &decrease, Run);

} // namespace nonneg
