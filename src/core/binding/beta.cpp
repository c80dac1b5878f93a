// Python bindings of the multiplicative half-step for β-divergences.
#include <string>

#include "binding/arguments.hpp"
#include "binding/options.hpp"
#include "drivers/beta.hpp"

namespace nonneg {
namespace {

// An array of n rows as `like`, or none.
template <class T>
MatrixView<T> optional_rows(nb::handle array, Index rows, Index cols) {
  if (array.is_none())
    return {};
  const auto out = view<T>(array_of<Out<T>>(array, "an array of a factor"));
  require(out.rows == rows && out.cols == cols, "an array does not fit the factors");
  return out;
}

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  const std::string name =
      std::string(sizeof(T) == 4 ? "beta32_" : "beta64_") + suffix;
  m.def(name.c_str(),
        [](typename Arg::Arrays X, In<T> start, In<T> Ht, nb::object after, nb::object solved,
           nb::object below, nb::object numerator, nb::object denominator,
           const BetaOptions &options, bool wants_value, int n_threads) {
          const auto x = Arg::view_of(X, static_cast<Index>(Ht.shape(0)));
          require_columns(start, Ht);
          require(static_cast<Index>(start.shape(0)) == x.rows &&
                      static_cast<Index>(Ht.shape(0)) == x.cols,
                  "the shapes of X and the factors do not fit");
          const Index k = static_cast<Index>(Ht.shape(1));
          double value = 0;
          BetaPass<T> pass{beta_of<T>(options, Ht.shape(1)),
                           view<const T>(start),
                           optional_rows<T>(solved, x.rows, k),
                           optional_rows<T>(below, x.rows, k),
                           view<const T>(Ht),
                           {},
                           optional_rows<T>(numerator, x.cols, k),
                           optional_rows<T>(denominator, x.cols, k),
                           wants_value ? &value : nullptr};
          if (!after.is_none()) {
            const auto array = array_of<In<T>>(after, "after");
            require_rows(array, Ht);
            require_columns(array, Ht);
            pass.after = view<const T>(array);
          }
          require(pass.options.beta == 1 || !pass.numerator.data || pass.denominator.data,
                  "the denominators are wanted, too");
          call(n_threads, [&](Run run) { return beta(kernels<T>(), x, pass, run); });
          return value;
        },
        nb::arg("X").noconvert(), nb::arg("start").noconvert(), nb::arg("Ht").noconvert(),
        nb::arg("after").none(), nb::arg("solved").none(), nb::arg("below").none(), nb::arg("numerator").none(),
        nb::arg("denominator").none(), nb::arg("options"), nb::arg("wants_value"),
        nb::arg("n_threads"));
}

template <class T> void bind_factors(nb::module_ &m) {
  m.def(sizeof(T) == 4 ? "multiply32" : "multiply64",
        [](In<T> start, In<T> numerator, nb::object denominator, Out<T> solved,
           const BetaOptions &options, int n_threads) {
          const auto s = view<T>(solved);
          for (const In<T> &array : {start, numerator}) {
            require_rows(array, solved);
            require_columns(array, solved);
          }
          MatrixView<const T> below{};
          if (!denominator.is_none()) {
            const auto array = array_of<In<T>>(denominator, "the denominator");
            require_rows(array, solved);
            require_columns(array, solved);
            below = view<const T>(array);
          }
          const Beta<T> step = beta_of<T>(options, solved.shape(1));
          call(n_threads, [&](Run run) {
            return multiply(kernels<T>(), step, view<const T>(start),
                            view<const T>(numerator), below, s, run);
          });
        },
        nb::arg("start").noconvert(), nb::arg("numerator").noconvert(),
        nb::arg("denominator").none(), nb::arg("solved").noconvert(), nb::arg("options"),
        nb::arg("n_threads"));
  m.def("column_sums",
        [](In<T> A, nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu> sums,
           int n_threads) {
          require(sums.shape(0) == A.shape(1), "there must be a sum for each column");
          call(n_threads, [&](Run run) {
            return column_sums(kernels<T>(), view<const T>(A), data_of(sums), run);
          });
        },
        nb::arg("A").noconvert(), nb::arg("sums").noconvert(), nb::arg("n_threads"));
}

using Features = Vector<int64_t>;
using Sums = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Every row number must be one of the n_rows of the factor.
void require_rows_of(const Features &features, size_t n_rows) {
  const int64_t *const numbers = data_of(features);
  for (size_t i = 0; i < features.shape(0); ++i)
    require(numbers[i] >= 0 && static_cast<size_t>(numbers[i]) < n_rows,
            "a row number is out of range");
}

template <class T> void bind_scaled(nb::module_ &m) {
  m.def("gather_scaled",
        [](In<T> base, Features features, Vector<T> scale, Out<T> out, Sums sums,
           int n_threads) {
          require_columns(base, out);
          require(features.shape(0) == out.shape(0) && scale.shape(0) == out.shape(1) &&
                      sums.shape(0) == out.shape(1),
                  "the features, the scale and the sums must fit the rows");
          require_rows_of(features, base.shape(0));
          call(n_threads, [&](Run run) {
            return gather_scaled(kernels<T>(), view<const T>(base), data_of(features),
                                 data_of(scale), view<T>(out), data_of(sums), run);
          });
        },
        nb::arg("base").noconvert(), nb::arg("features").noconvert(),
        nb::arg("scale").noconvert(), nb::arg("out").noconvert(),
        nb::arg("sums").noconvert(), nb::arg("n_threads"));
  m.def("move_scaled",
        [](Out<T> base, Features features, In<T> before, In<T> numerator, Vector<T> kept,
           Vector<T> inverse, Vector<T> over_scale, double least, Sums sums,
           int n_threads) {
          const size_t k = before.shape(1);
          require_columns(base, before);
          require_columns(numerator, before);
          require_rows(numerator, before);
          require(features.shape(0) == before.shape(0) && kept.shape(0) == k &&
                      inverse.shape(0) == k && over_scale.shape(0) == k &&
                      sums.shape(0) == 4 * k,
                  "the features, the vectors and the sums must fit the rows");
          require_rows_of(features, base.shape(0));
          const ScaledMove<T> move{data_of(kept), data_of(inverse), data_of(over_scale),
                                   static_cast<T>(least)};
          call(n_threads, [&](Run run) {
            return move_scaled(kernels<T>(), move, view<const T>(before),
                               view<const T>(numerator), data_of(features), view<T>(base),
                               data_of(sums), run);
          });
        },
        nb::arg("base").noconvert(), nb::arg("features").noconvert(),
        nb::arg("before").noconvert(), nb::arg("numerator").noconvert(),
        nb::arg("kept").noconvert(), nb::arg("inverse").noconvert(),
        nb::arg("over_scale").noconvert(), nb::arg("least"), nb::arg("sums").noconvert(),
        nb::arg("n_threads"));
}

} // namespace

void bind_beta(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    bind_factors<T>(m);
    bind_scaled<T>(m);
    NONNEG_BIND_STORAGES(T, MatrixView<const T>)
  });
}

} // namespace nonneg
