// A factor that moves in sweeps, as Python hands it over.
#pragma once

#include <vector>

#include "binding/options.hpp"
#include "drivers/alternation.hpp"

namespace nonneg {

using Constants = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class T> SweptFactor<T> swept(const SweptArrays &arrays, Index n_rows) {
  const auto rows = view<T>(array_of<Out<T>>(arrays.rows, "a factor"));
  require(rows.rows == n_rows, "the shapes of X and the factors do not fit");
  const auto Q = array_of<Constants>(arrays.Q, "Q");
  const size_t k = static_cast<size_t>(rows.cols);
  require(Q.shape(0) == k && Q.shape(1) == k, "Q must be k x k");
  return {rows, data_of(Q),
          vector_of<T>(arrays.l1, k, "l1 must have k entries")};
}

} // namespace nonneg
