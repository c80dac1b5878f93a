// The models that a fused half-step moves together, as Python hands them over.
#pragma once

#include <vector>

#include "binding/options.hpp"
#include "drivers/half_step.hpp"

namespace nonneg {

inline nb::tuple report(const SolveSums &sums) {
  return nb::make_tuple(sums.violation, sums.cross, sums.decrease, sums.sweeps);
}

// A solve, or, where rows are in classes, one for each.
template <class T>
std::vector<Solve<T>> solves_of(nb::handle options, Index n_classes, size_t k) {
  const auto solve = [k](nb::handle one) {
    require(nb::isinstance<SolveOptions>(one), "options must be SolveOptions");
    return solve_of<T>(nb::cast<const SolveOptions &>(one), k);
  };
  if (!n_classes)
    return {solve(options)};
  require(nb::isinstance<nb::list>(options) && nb::len(options) == size_t(n_classes),
          "options must be a list with those of each class");
  std::vector<Solve<T>> solves;
  for (nb::handle one : nb::cast<nb::list>(options))
    solves.push_back(solve(one));
  return solves;
}

// With the Gram matrix of each class, if there are any.
template <class T>
FusedModel<T> fused_model(const ModelArrays &arrays, Index n_rows, Index n_columns,
                          Index n_classes = 0) {
  FusedModel<T> fused{};
  const RowArrays<T> rows = rows_of<T>(arrays.rows);
  const Index k = rows.solved.cols;
  fused.model.rows = rows;
  const auto solves = solves_of<T>(arrays.options, n_classes, static_cast<size_t>(k));
  fused.model.solve = solves.front();
  if (n_classes)
    fused.of_class = solves;
  fused.Ht = view<const T>(array_of<In<T>>(arrays.Ht, "Ht"));
  require(rows.solved.rows == n_rows && fused.Ht.rows == n_columns,
          "the shapes of X and the factors do not fit");
  if (!arrays.rhs.is_none()) {
    fused.rhs = view<T>(array_of<Out<T>>(arrays.rhs, "rhs"));
    require(fused.rhs.rows == n_columns && fused.rhs.cols == fused.Ht.cols &&
                !arrays.gram.is_none(),
            "the sums do not fit the factors");
  }
  const nb::object scale = nb::getattr(arrays.rows, "scale", nb::none());
  if (!scale.is_none())
    fused.model.scale = vector_of<T>(scale, static_cast<size_t>(n_rows), "a scale for each row is needed");
  const nb::object extra = nb::getattr(arrays.rows, "extra", nb::none());
  if (!extra.is_none()) {
    fused.model.extra = view<const T>(array_of<In<T>>(extra, "the additions"));
    require(fused.model.extra.rows == n_rows && fused.model.extra.cols == k,
            "the additions do not fit the factor");
  }
  if (!arrays.moving.is_none()) {
    const Index n = fused.Ht.cols;
    const int64_t *moving = vector_of<int64_t>(arrays.moving, static_cast<size_t>(n),
                                               "each column of Ht is that of a component");
    require(fused.model.extra.data && n > 0, "there are no additions, or no components");
    for (Index j = 0; j < n; ++j)
      require((j ? moving[j - 1] : -1) < moving[j] && moving[j] < k,
              "the components that move must be some of those there are, in their order");
    fused.model.moving = moving;
    fused.model.n_moving = static_cast<int>(n);
  }
  require(fused.model.packed() == fused.Ht.cols, "the shapes of X and the factors do not fit");
  fused.gram = square_of(arrays.gram, std::max<Index>(1, n_classes) * k, k);
  fused.measures = square_of(arrays.measures, 2, k);
  return fused;
}

template <class T>
std::vector<FusedModel<T>> fused_models(const nb::list &models, Index n_rows, Index n_columns,
                                        Index n_classes = 0) {
  std::vector<FusedModel<T>> fused;
  for (nb::handle item : models) {
    require(nb::isinstance<ModelArrays>(item), "models must be ModelArrays");
    fused.push_back(fused_model<T>(nb::cast<const ModelArrays &>(item), n_rows, n_columns, n_classes));
  }
  require(!fused.empty(), "there must be a model");
  require(fused.size() <= kMostComponents, "there are too many models for one pass");
  for (const FusedModel<T> &model : fused)
    require(!model.rhs.data == !fused[0].rhs.data, "either all models want sums or none");
  return fused;
}

template <class T> nb::list reports_of(const std::vector<FusedModel<T>> &fused) {
  nb::list reports;
  for (const FusedModel<T> &model : fused)
    reports.append(report(model.sums));
  return reports;
}

} // namespace nonneg
