#include "binding/options.hpp"

namespace nonneg {

double *square_of(nb::handle array, Index rows, Index cols) {
  if (array.is_none())
    return nullptr;
  const auto A = array_of<nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>>(
      array, "a Gram matrix or the measures");
  require(static_cast<Index>(A.shape(0)) == rows && static_cast<Index>(A.shape(1)) == cols,
          "a Gram matrix must be k x k, the measures 2 x k, sums of entries 1 x 3");
  return data_of(A);
}

void bind_options(nb::module_ &m) {
  nb::enum_<RowMethod>(m, "RowMethod")
      .value("CYCLIC", RowMethod::cyclic)
      .value("ADAPTIVE", RowMethod::adaptive)
      .value("MULTIPLICATIVE", RowMethod::multiplicative);
  nb::class_<SolveOptions>(m, "SolveOptions")
      .def(
          "__init__",
          [](SolveOptions *self, nb::object gram, nb::object inverse_diagonal, nb::object l1,
             nb::object order, RowMethod method, int sweeps, double settled, double momentum,
             nb::object exact_gram, nb::object exact_l1) {
            new (self) SolveOptions{gram,   inverse_diagonal, l1,       order,      method,
                                    sweeps, settled,          momentum, exact_gram, exact_l1};
          },
          nb::kw_only(), nb::arg("gram"), nb::arg("inverse_diagonal"), nb::arg("l1"),
          nb::arg("order"), nb::arg("method"), nb::arg("sweeps") = 1,
          nb::arg("settled") = 0.0, nb::arg("momentum") = 0.0,
          nb::arg("exact_gram") = nb::none(), nb::arg("exact_l1") = nb::none());
  nb::class_<BetaOptions>(m, "BetaOptions")
      .def(
          "__init__",
          [](BetaOptions *self, double beta, double floor, double least, double rise,
             double fall, nb::object column_sums, nb::object l1, nb::object l2, bool move) {
            new (self) BetaOptions{beta, floor, least, rise, fall, column_sums, l1, l2, move};
          },
          nb::kw_only(), nb::arg("beta"), nb::arg("floor"), nb::arg("least"),
          nb::arg("rise"), nb::arg("fall"), nb::arg("column_sums"), nb::arg("l1"), nb::arg("l2"), nb::arg("move"));
  nb::class_<NewtonOptions>(m, "NewtonOptions")
      .def(
          "__init__",
          [](NewtonOptions *self, double floor, double unit, double momentum,
             double tolerance, nb::object column_sums, nb::object l1, nb::object l2,
             int sweeps, bool rescale, bool wants_value, nb::object linear, nb::object bent) {
            new (self) NewtonOptions{floor, unit,   momentum, tolerance,   column_sums, l1,
                                     l2,    sweeps, rescale,  wants_value, linear,      bent};
          },
          nb::kw_only(), nb::arg("floor"), nb::arg("unit"), nb::arg("momentum"),
          nb::arg("tolerance"), nb::arg("column_sums"), nb::arg("l1"), nb::arg("l2"),
          nb::arg("sweeps"), nb::arg("rescale"), nb::arg("wants_value"),
          nb::arg("linear") = nb::none(), nb::arg("bent") = nb::none());
  nb::class_<ModelArrays>(m, "ModelArrays")
      .def(
          "__init__",
          [](ModelArrays *self, nb::object rows, nb::object Ht, nb::object options,
             nb::object rhs, nb::object gram, nb::object measures, nb::object moving) {
            new (self) ModelArrays{rows, Ht, options, rhs, gram, measures, moving};
          },
          nb::kw_only(), nb::arg("rows"), nb::arg("Ht"), nb::arg("options"),
          nb::arg("rhs") = nb::none(), nb::arg("gram") = nb::none(),
          nb::arg("measures") = nb::none(), nb::arg("moving") = nb::none());
}

} // namespace nonneg
