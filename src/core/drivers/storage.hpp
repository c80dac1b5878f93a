// The storages of X, alike to the drivers: dense, CSR, and either of them in parts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include "drivers/run.hpp"
#include "drivers/streams.hpp"
#include "drivers/tuning.hpp"
#include "kernels/interface.hpp"

namespace nonneg {

// The storages in memory by their names in the bindings and the types of their views:
// CASE(name, T, view). `Dense` is a driver's view of a dense X.
#define NONNEG_IN_MEMORY(CASE, T, Dense)                                                   \
  CASE(dense, T, Dense)                                                                    \
  CASE(csr32, T, CsrView<T, int32_t>)                                                      \
  CASE(csr64, T, CsrView<T, int64_t>)

// Every storage. Parts of a CSR matrix have 32-bit indices.
#define NONNEG_STORAGES(CASE, T, Dense)                                                    \
  NONNEG_IN_MEMORY(CASE, T, Dense)                                                         \
  CASE(dense_parts, T, Stream<Dense>)                                                      \
  CASE(csr_parts, T, Stream<CsrView<T, int32_t>>)

template <class T> Index block_rows(const MatrixView<const T> &X) {
  const Index row = std::max<Index>(1, X.cols * static_cast<Index>(sizeof(T)));
  const Index fit = kDenseBlockBytes / row / kDenseRowsUnit * kDenseRowsUnit;
  return std::clamp<Index>(fit, kDenseRowsUnit, kMostDenseRows);
}

template <class T, class I> Index block_rows(const CsrView<T, I> &) { return kCsrBlock; }

template <class T> double entries(const MatrixView<const T> &X) {
  return double(X.rows) * double(X.cols);
}

template <class T, class I> double entries(const CsrView<T, I> &X) {
  return double(X.indptr[X.rows]);
}

template <class View> Index block_rows(const Stream<View> &x) {
  View like{};
  like.cols = x.cols;
  return block_rows(like);
}

template <class View> double entries(const Stream<View> &x) { return x.count; }

// A family's table for the storage of X, of which it has one for each type of index.
template <class Family, class T, class I>
const auto &csr_of(const Family &kernels, const CsrView<T, I> &) {
  if constexpr (sizeof(I) == 4)
    return kernels.csr32;
  else
    return kernels.csr64;
}

// Some rows; their row pointers count the entries of all.
template <class T, class I>
CsrView<T, I> rows_of(const CsrView<T, I> &X, Index first, Index last) {
  return {X.values, X.indices, X.indptr + first, last - first, X.cols};
}

// Columns of X in a row of tiles, which kernels count by int.
inline int tile_columns(Index columns) {
  if (columns > 2147483647 - 64)
    throw std::length_error("this divergence takes an X of at most 2147483583 columns, but for "
                            "Kullback-Leibler of a sparse X");
  return static_cast<int>(columns);
}

template <class T>
MatrixView<T> rows_of(MatrixView<T> A, Index first, Index last) {
  return {A.data + first * A.stride, last - first, A.cols, A.stride};
}

template <class T> RowArrays<T> rows_of(const RowArrays<T> &A, Index first, Index last) {
  RowArrays<T> rows{rows_of(A.start, first, last), A.previous,
                    rows_of(A.solved, first, last), A.moved};
  if (A.moved.data) {
    rows.previous = rows_of(A.previous, first, last);
    rows.moved = rows_of(A.moved, first, last);
  }
  return rows;
}

} // namespace nonneg
