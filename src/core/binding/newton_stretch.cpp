// Bindings of several iterations of scalar Newton sweeps with extrapolation in one call.
#include <string>

#include "binding/turns.hpp"
#include "drivers/newton_stretch.hpp"

namespace nonneg {
namespace {

template <class T, class Arg> void bind_storage(nb::module_ &m, const char *suffix) {
  const std::string name =
      std::string(sizeof(T) == 4 ? "newton_stretch32_" : "newton_stretch64_") + suffix;
  m.def(name.c_str(),
        [](typename Arg::Arrays X, typename Arg::Arrays Xt, nb::list W, Roles roles_W, nb::list H,
           Roles roles_H, Doubles state, Flags restarts, Doubles decreases, Doubles values,
           const MomentumRule &rule, double floor, double unit, int sweeps, double warm_up,
           double total, double least, Doubles reports, int n_threads) {
          require(W.size() == 3 && H.size() == 3, "a factor has three arrays and five roles");
          const auto first_W = view<T>(array_of<Out<T>>(W[0], "a factor"));
          const auto first_H = view<T>(array_of<Out<T>>(H[0], "a factor"));
          const Index k = first_H.cols;
          require_components(static_cast<size_t>(k));
          const auto x = Arg::view_of(X, first_H.rows), xt = Arg::view_of(Xt, first_W.rows);
          require(x.cols == first_H.rows && xt.cols == x.rows && xt.rows == x.cols,
                  "the shapes of X and the factors do not fit");
          require(reports.ndim() == 2 && reports.shape(1) == 3, "reports must be n x 3");
          KeptState kept(state);
          Newton<T> steps{};
          steps.floor = static_cast<T>(floor);
          steps.unit = static_cast<T>(unit);
          steps.k = static_cast<int>(k);
          steps.sweeps = sweeps;
          steps.stop = asked_to_stop;
          const NewtonStretch<T> stretch{
              turns_of(turning<T>(W, roles_W, x.rows, k), turning<T>(H, roles_H, x.cols, k),
                       kept.now, restarts, decreases, values, rule),
              steps,
              warm_up,
              total,
              least,
              static_cast<Index>(reports.shape(0)),
              data_of(reports)};
          NewtonEnd end;
          call(n_threads,
               [&](Run run) { return newton_stretch(kernels<T>(), x, xt, stretch, end, run); });
          return nb::make_tuple(end.done, end.converged, end.pending, end.value, end.violation);
        },
        nb::arg("X").noconvert(), nb::arg("Xt").noconvert(), nb::arg("W"),
        nb::arg("roles_W").noconvert(), nb::arg("H"), nb::arg("roles_H").noconvert(),
        nb::arg("state").noconvert(), nb::arg("restarts").noconvert(),
        nb::arg("decreases").noconvert(), nb::arg("values").noconvert(), nb::arg("rule"),
        nb::arg("floor"), nb::arg("unit"), nb::arg("sweeps"), nb::arg("warm_up"),
        nb::arg("total"), nb::arg("least"), nb::arg("reports").noconvert(),
        nb::arg("n_threads"));
}

} // namespace

void bind_newton_stretch(nb::module_ &m) {
  for_dtypes([&]<class T>(T) {
    bind_storage<T, StridedArg<T>>(m, "dense");
    bind_storage<T, CsrArg<T, int32_t>>(m, "csr32");
    bind_storage<T, CsrArg<T, int64_t>>(m, "csr64");
  });
}

} // namespace nonneg
