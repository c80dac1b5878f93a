// The family "products", compiled once per instruction set.
#include "kernels/block_scratch.hpp"
#include "kernels/csr_products.hpp"
#include "kernels/dense_products.hpp"
#include "kernels/errors.hpp"
#include "kernels/gram.hpp"
#include "kernels/packed_rows.hpp"
#include "kernels/product_interface.hpp"
#include "kernels/summary.hpp"

namespace nonneg::NONNEG_ISA {

// ---- for the other families ------------------------------------------------------------

#define NONNEG_CSR(T, I)                                                                   \
  template void csr_product_packed<T, I>(CsrView<T, I>, Index, Index, const T *, int, T *, \
                                         Index *);                                         \
  template void csr_transposed_packed<T, I>(CsrView<T, I>, Index, Index, const T *, int,   \
                                            T *, Index *);

#define NONNEG_DTYPE(T)                                                                    \
  template void gram<T>(MatrixView<const T>, double *, double *);                          \
  template void dense_product_packed<T>(MatrixView<const T>, const T *, int, int, T *,     \
                                        const Blas &);                                     \
  template void dense_transposed_packed<T>(MatrixView<const T>, const T *, int, int, T *,  \
                                           const Blas &);                                  \
  NONNEG_CSR(T, int32_t)                                                                   \
  NONNEG_CSR(T, int64_t)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

// ---- with rows of any stride -------------------------------------------------------------

template <class T, class I>
static void csr_product(const CsrView<T, I> &X, Index first, Index last, const T *B,
                        int k, MatrixView<T> out, void *scratch) {
  const int kp = padded<T>(k);
  const BlockScratch<T> cuts = cut_block<T>(scratch, last - first, kp, k);
  csr_product_packed(X, first, last, B, kp, cuts.rows, cuts.cursor);
  unpack(cuts.rows, k, kp,
         MatrixView<T>{out.data + first * out.stride, last - first, k, out.stride});
}

template <class T, class I>
static void csr_transposed(const CsrView<T, I> &X, Index first, Index last,
                           MatrixView<const T> A, T *sum, void *scratch) {
  const int k = static_cast<int>(A.cols), kp = padded<T>(k);
  const BlockScratch<T> cuts = cut_block<T>(scratch, last - first, kp, k);
  pack(MatrixView<const T>{A.data + first * A.stride, last - first, k, A.stride},
       cuts.rows, kp, kp);
  csr_transposed_packed(X, first, last, cuts.rows, kp, sum, cuts.cursor);
}

template <class T>
static void dense_product(MatrixView<const T> X, const T *B, int k, MatrixView<T> out,
                          const Blas &blas, void *scratch) {
  const int kp = padded<T>(k);
  const BlockScratch<T> cuts = cut_block<T>(scratch, X.rows, kp, k);
  dense_product_packed(X, B, k, kp, cuts.rows, blas);
  unpack(cuts.rows, k, kp, out);
}

template <class T>
static void dense_transposed(MatrixView<const T> X, MatrixView<const T> A, T *sum,
                             const Blas &blas, void *scratch) {
  const int k = static_cast<int>(A.cols), kp = padded<T>(k);
  const BlockScratch<T> cuts = cut_block<T>(scratch, X.rows, kp, k);
  pack(A, cuts.rows, kp, kp);
  dense_transposed_packed(X, cuts.rows, k, kp, sum, blas);
}

template <class T> static void gram_only(MatrixView<const T> A, double *G, void *scratch) {
  const int k = static_cast<int>(A.cols);
  gram<T>(A, G, cut_block<T>(scratch, 0, padded<T>(k), k).gram);
}

// ---- table -------------------------------------------------------------------------------

template <class T, class I> static constexpr CsrProducts<T, I> csr_table() {
  return {csr_product<T, I>, csr_transposed<T, I>, csr_transposed_panel<T, I>, csr_errors<T, I>};
}

template <class T> static constexpr ProductKernels<T> table() {
  return {[](int k) { return padded<T>(k); },
          block_bytes<T>,
          gram_only<T>,
          summary<T>,
          pack<T>,
          reduce<T>,
          {dense_product<T>, dense_transposed<T>, dense_errors<T>},
          csr_table<T, int32_t>(),
          csr_table<T, int64_t>()};
}

extern const ByDtype<ProductKernels> products;
const ByDtype<ProductKernels> products{table<float>(), table<double>()};

} // namespace nonneg::NONNEG_ISA
