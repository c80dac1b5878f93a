// Views of arrays that others own, which kernels and drivers hand to each other.
#pragma once

#include <cstddef>

namespace nonneg {

using Index = std::ptrdiff_t;

// Row-major, unit inner stride.
template <class T> struct MatrixView {
  T *data;
  Index rows, cols, stride;
};

template <class T, class I> struct CsrView {
  const T *values;
  const I *indices, *indptr;
  Index rows, cols;
};

template <class T> struct StridedView {
  const T *data;
  Index rows, cols, row_stride, stride;
};

// start is read and solved written; moved, if any, becomes
// max(0, solved + momentum (solved - previous)). start and solved may be one array, and
// moved may be start or previous.
template <class T> struct RowArrays {
  MatrixView<const T> start, previous;
  MatrixView<T> solved, moved;

  // The rows that the other half-step sees.
  MatrixView<const T> result() const {
    const MatrixView<T> &A = moved.data ? moved : solved;
    return {A.data, A.rows, A.cols, A.stride};
  }
};

// gemm of the BLAS that SciPy carries, with 32- or 64-bit integers; null where absent.
struct Blas {
  void *sgemm = nullptr, *dgemm = nullptr;
  bool wide = false;
};

// The kernels of a family for both dtypes.
template <template <class> class Family> struct ByDtype {
  Family<float> f32;
  Family<double> f64;
};

} // namespace nonneg
