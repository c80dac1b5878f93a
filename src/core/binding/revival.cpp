// Binding of the revival of components that are 0.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "binding/arguments.hpp"
#include "binding/options.hpp"
#include "drivers/revival.hpp"
#include "drivers/turns.hpp"

namespace nonneg {
namespace {

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  const std::string name = std::string(sizeof(T) == 4 ? "revive32_" : "revive64_") + suffix;
  m.def(name.c_str(),
        [](typename Arg::Arrays X, bool by_columns, Out<T> W, Out<T> H, std::vector<int64_t> dead,
           In<T> starts, int rounds, int n_threads) {
          Revival<T> r{by_columns, view<T>(W), view<T>(H), {}, view<const T>(starts), rounds};
          const Index k = r.W.cols;
          const auto x = Arg::view_of(X, by_columns ? r.W.rows : r.H.rows);
          require_components(static_cast<size_t>(k));
          const Index n_W = by_columns ? x.cols : x.rows, n_H = by_columns ? x.rows : x.cols;
          const auto fits = [k](const MatrixView<const T> &A, Index n) {
            return A.rows == n && A.cols == k && (A.stride == k || n == 1);
          };
          require(fits(constant(r.W), n_W) && fits(constant(r.H), n_H) && r.starts.cols == n_H &&
                      r.starts.rows == static_cast<Index>(dead.size()),
                  "the shapes of X, the factors and the starts do not fit");
          for (const int64_t t : dead) {
            require(t >= 0 && t < k, "there is no such component");
            r.dead.push_back(static_cast<Index>(t));
          }
          double decrease = 0;
          call(n_threads, [&](Run run) { return revive(kernels<T>(), x, r, decrease, run); });
          return decrease;
        },
        nb::arg("X").noconvert(), nb::arg("by_columns"), nb::arg("W").noconvert(),
        nb::arg("H").noconvert(), nb::arg("dead"), nb::arg("starts").noconvert(),
        nb::arg("rounds"), nb::arg("n_threads"));
}

} // namespace

void bind_revival(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    bind_storage<T, DenseArg<T>>(m, "dense");
    bind_storage<T, CsrArg<T, int32_t>>(m, "csr32");
    bind_storage<T, CsrArg<T, int64_t>>(m, "csr64");
  });
}

} // namespace nonneg
