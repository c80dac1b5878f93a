// Factors in the forms that the kernels need.
#pragma once

#include <algorithm>

#include "drivers/storage.hpp"
#include "drivers/tuning.hpp"

namespace nonneg {

// Packs a factor into rows `width` numbers apart, of which kp are written.
template <class T>
bool pack_factor(const Kernels<T> &K, MatrixView<const T> B, T *packed, Index width, int kp,
                 Run run) {
  auto task = [&](int64_t i, int) {
    const Index first = i * kFactorBlock;
    K.products.pack(rows_of(B, first, std::min(first + kFactorBlock, B.rows)),
           packed + first * width, width, kp);
  };
  return parallel_for(ceil_div(B.rows, kFactorBlock),
                      threads_for(double(B.rows) * double(B.cols) / 4, run.n_threads),
                      task, run.poll);
}

// Packs a factor alone.
template <class T>
bool pack_factor(const Kernels<T> &K, MatrixView<const T> B, T *packed, Index width,
                 Run run) {
  return pack_factor(K, B, packed, width, K.products.padded(static_cast<int>(B.cols)), run);
}

// H (k rows of h_width numbers, zeros behind the features) from its transpose.
template <class T>
bool turn(MatrixView<const T> Ht, T *H, Index h_width, Run run) {
  auto task = [&](int64_t t, int) {
    T *const row = H + t * h_width;
    for (Index j = 0; j < Ht.rows; ++j)
      row[j] = Ht.data[j * Ht.stride + t];
    std::fill(row + Ht.rows, row + h_width, T(0));
  };
  const double work = double(Ht.rows) * double(Ht.cols);
  return parallel_for(Ht.cols, threads_for(work, run.n_threads), task, run.poll);
}

} // namespace nonneg
