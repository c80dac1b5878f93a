// Bindings of several iterations of multiplicative updates in one call.
#include <string>

#include "binding/arguments.hpp"
#include "binding/swept.hpp"
#include "drivers/multiplication.hpp"

namespace nonneg {
namespace {

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  const std::string name =
      std::string(sizeof(T) == 4 ? "multiply_both32_" : "multiply_both64_") + suffix;
  m.def(name.c_str(),
        [](typename Arg::Arrays X, const SweptArrays &inner, Out<T> outer,
           const BetaOptions &options, Out<T> numerator, Out<T> denominator, bool outer_first,
           Index times, int n_threads) {
          const auto B = view<T>(outer);
          const size_t k = static_cast<size_t>(B.cols);
          const auto x = Arg::view_of(X, B.rows);
          require(x.cols == B.rows, "the shapes of X and the factors do not fit");
          for (const Out<T> &array : {numerator, denominator}) {
            require_rows(array, outer);
            require_columns(array, outer);
          }
          std::vector<int64_t> order(k);
          for (size_t t = 0; t < k; ++t)
            order[t] = static_cast<int64_t>(t);
          const Multiplication<T> both{swept<T>(inner, x.rows),
                                       B,
                                       beta_of<T>(options, k),
                                       view<T>(numerator),
                                       view<T>(denominator),
                                       outer_first,
                                       order.data(),
                                       times};
          require(both.inner.rows.cols == B.cols, "the shapes of X and the factors do not fit");
          call(n_threads, [&](Run run) { return multiply_both(kernels<T>(), x, both, run); });
        },
        nb::arg("X").noconvert(), nb::arg("inner"), nb::arg("outer").noconvert(),
        nb::arg("options"), nb::arg("numerator").noconvert(),
        nb::arg("denominator").noconvert(), nb::arg("outer_first"), nb::arg("times"),
        nb::arg("n_threads"));
}

} // namespace

void bind_multiplication(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    bind_storage<T, DenseArg<T>>(m, "dense");
    bind_storage<T, CsrArg<T, int32_t>>(m, "csr32");
    bind_storage<T, CsrArg<T, int64_t>>(m, "csr64");
  });
}

} // namespace nonneg
