#include "drivers/multiplication.hpp"

#include <algorithm>
#include <vector>

#include "drivers/beta.hpp"
#include "drivers/half_step.hpp"
#include "drivers/products.hpp"
#include "drivers/storage.hpp"

namespace nonneg {

namespace {

template <class T> MatrixView<const T> constant(const MatrixView<T> &A) {
  return {A.data, A.rows, A.cols, A.stride};
}

} // namespace

template <class T, class X>
bool multiply_both(const Kernels<T> &K, const X &x, const Multiplication<T> &m, Run run) {
  const Index k = m.outer.cols;
  const size_t square = static_cast<size_t>(k) * static_cast<size_t>(k);
  std::vector<double> gram_of(square);
  std::vector<T> narrow(square), unused(static_cast<size_t>(k), T(1)),
      moved(static_cast<size_t>(m.outer.rows * k));
  Solve<T> solve{};
  solve.method = Method::multiplicative;
  solve.sweep = {narrow.data(), unused.data(), m.inner.l1, m.order, static_cast<int>(k)};
  const RowArrays<T> rows{constant(m.inner.rows), {}, m.inner.rows, {}};
  const auto move_inner = [&] {
    if (!gram(K, constant(m.outer), gram_of.data(), run))
      return false;
    for (size_t i = 0; i < square; ++i)
      narrow[i] = static_cast<T>(gram_of[i] + m.inner.Q[i]);
    FusedModel<T> model{{solve, rows, 0}, constant(m.outer), m.numerator, gram_of.data(),
                        nullptr, {}};
    if (!update(K, x, &model, 1, run))
      return false;
    for (size_t i = 0; i < square; ++i)
      narrow[i] = static_cast<T>(gram_of[i]);
    return matmul(K, constant(m.outer), MatrixView<const T>{narrow.data(), k, k, k},
                  m.denominator, run);
  };
  const auto move_outer = [&] {
    const MatrixView<T> out{moved.data(), m.outer.rows, k, k};
    if (!multiply(K, m.step, constant(m.outer), constant(m.numerator), constant(m.denominator),
                  out, run))
      return false;
    for (Index i = 0; i < out.rows; ++i)
      std::copy_n(out.data + i * k, k, m.outer.data + i * m.outer.stride);
    return true;
  };
  for (Index i = 0; i < m.most; ++i)
    if (!(m.outer_first ? move_outer() && move_inner() : move_inner() && move_outer()))
      return false;
  return true;
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(name, T, ...)                                                       \
  template bool multiply_both<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,     \
                                              const Multiplication<T> &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  NONNEG_IN_MEMORY(NONNEG_STORAGE, T, MatrixView<const T>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
