#include "drivers/revival.hpp"

#include <algorithm>
#include <cmath>

#include "drivers/products.hpp"
#include "drivers/storage.hpp"
#include "drivers/turns.hpp"

namespace nonneg {

namespace {

template <class T> using Vector = std::vector<T>;

template <class T> MatrixView<T> column(Vector<T> &v) {
  return {v.data(), static_cast<Index>(v.size()), 1, 1};
}

template <class T> double square_of(const Vector<T> &v) {
  double sum = 0;
  for (const T x : v)
    sum += static_cast<double>(x) * static_cast<double>(x);
  return sum;
}

// u = max(u - A B'v, 0).
template <class T>
void leave_over(const MatrixView<T> &A, const MatrixView<T> &B, const Vector<T> &v, Vector<T> &u) {
  Vector<double> weights(static_cast<size_t>(B.cols));
  for (Index i = 0; i < B.rows; ++i)
    for (Index t = 0; t < B.cols; ++t)
      weights[static_cast<size_t>(t)] += static_cast<double>(B.data[i * B.cols + t]) *
                                         static_cast<double>(v[static_cast<size_t>(i)]);
  for (Index i = 0; i < A.rows; ++i) {
    double rest = static_cast<double>(u[static_cast<size_t>(i)]);
    for (Index t = 0; t < A.cols; ++t)
      rest -= static_cast<double>(A.data[i * A.cols + t]) * weights[static_cast<size_t>(t)];
    u[static_cast<size_t>(i)] = static_cast<T>(std::max(rest, 0.0));
  }
}

template <class T> void set_column(const MatrixView<T> &A, Index t, const Vector<T> &v, double by) {
  for (Index i = 0; i < A.rows; ++i)
    A.data[i * A.cols + t] = static_cast<T>(static_cast<double>(v[static_cast<size_t>(i)]) * by);
}

} // namespace

template <class T, class X>
bool revive(const Kernels<T> &K, const X &x, const Revival<T> &r, double &decrease, Run run) {
  Vector<T> u(static_cast<size_t>(r.W.rows)), v(static_cast<size_t>(r.H.rows));
  // X v, and X'u
  const auto right = [&] {
    return r.by_columns ? rmatmul(K, x, constant(column(v)), column(u), run)
                        : matmul(K, x, constant(column(v)), column(u), run);
  };
  const auto left = [&] {
    return r.by_columns ? matmul(K, x, constant(column(u)), column(v), run)
                        : rmatmul(K, x, constant(column(u)), column(v), run);
  };
  decrease = 0;
  for (const Index t : r.dead)
    for (const MatrixView<T> &A : {r.W, r.H})
      set_column(A, t, Vector<T>(static_cast<size_t>(A.rows)), 0);
  for (size_t number = 0; number < r.dead.size(); ++number) {
    const T *const start = r.starts.data + static_cast<Index>(number) * r.starts.stride;
    std::copy_n(start, v.size(), v.begin());
    double square = 0;
    for (int round = 0; round < r.rounds; ++round) {
      if (!right())
        return false;
      leave_over(r.W, r.H, v, u);
      square = square_of(u);
      if (!(square > 0))
        break;
      if (!left())
        return false;
      leave_over(r.H, r.W, u, v);
      for (T &entry : v)
        entry = static_cast<T>(static_cast<double>(entry) / square);
    }
    const double other = square_of(v), gained = 0.5 * square * other;
    if (!(square > 0 && gained > 0 && std::isfinite(gained)))
      continue;
    const double ratio = std::sqrt(std::sqrt(other / square)); // both norms alike
    set_column(r.H, r.dead[number], v, 1 / ratio);
    set_column(r.W, r.dead[number], u, ratio);
    decrease += gained;
  }
  return true;
}

// ---- instances -------------------------------------------------------------------------

#define NONNEG_STORAGE(name, T, ...)                                                       \
  template bool revive<T, __VA_ARGS__>(const Kernels<T> &, const __VA_ARGS__ &,            \
                                       const Revival<T> &, double &, Run);

#define NONNEG_DTYPE(T)                                                                    \
  NONNEG_IN_MEMORY(NONNEG_STORAGE, T, MatrixView<const T>)

NONNEG_DTYPE(float)
NONNEG_DTYPE(double)

} // namespace nonneg
