// Scratch memory of the products with a block of rows.
#pragma once

#include <cstddef>

#include "kernels/simd.hpp"
#include "kernels/views.hpp"

namespace nonneg::NONNEG_ISA {

constexpr int kGramRows = 64;
constexpr int kGramTile = NONNEG_VECTOR_BYTES == 64 ? 8 : 4;

NONNEG_INLINE Index gram_width(int k) {
  constexpr int step = kLanes<double> > kGramTile ? kLanes<double> : kGramTile;
  return (k + step - 1) / step * step;
}

template <class T> struct BlockScratch {
  T *rows;       // packed rows: right-hand sides, later the new rows of the factor
  double *gram;  // for gram
  Index *cursor; // one place in each row of a CSR block
  void *rest;    // free memory behind them
};

NONNEG_INLINE size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T> NONNEG_INLINE size_t block_bytes(Index n_rows, int width, int k) {
  return rounded(sizeof(T) * static_cast<size_t>(n_rows * width)) +
         rounded(sizeof(double) * static_cast<size_t>(kGramRows * gram_width(k))) +
         rounded(sizeof(Index) * static_cast<size_t>(n_rows));
}

template <class T>
NONNEG_INLINE BlockScratch<T> cut_block(void *scratch, Index n_rows, int width, int k) {
  char *const rows = static_cast<char *>(scratch);
  char *const gram = rows + rounded(sizeof(T) * static_cast<size_t>(n_rows * width));
  char *const cursor =
      gram + rounded(sizeof(double) * static_cast<size_t>(kGramRows * gram_width(k)));
  return {reinterpret_cast<T *>(rows), reinterpret_cast<double *>(gram),
          reinterpret_cast<Index *>(cursor), rows + block_bytes<T>(n_rows, width, k)};
}

} // namespace nonneg::NONNEG_ISA
