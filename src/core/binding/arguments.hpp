// Common means of the bindings: array types, checks, and calls without the GIL.
#pragma once

#include <algorithm>

#include "binding/checked_arrays.hpp"
#include "binding/interpreter_exit.hpp"
#include "drivers/float_mode.hpp"
#include "drivers/run.hpp"
#include "drivers/streams.hpp"
#include "kernels/dispatch.hpp"

namespace nonneg {

template <class T> const Kernels<T> &kernels() {
  if constexpr (sizeof(T) == 4)
    return kernel_table().f32;
  else
    return kernel_table().f64;
}

// k x k matrices are counted through by int.
constexpr size_t kMostComponents = 46340;

inline void require_components(size_t k) {
  require(k <= kMostComponents, "there may be 46340 components or unknowns at most");
}

template <class A, class B> void require_rows(const A &a, const B &b) {
  require(a.shape(0) == b.shape(0), "the arrays differ in their number of rows");
}

template <class A, class B> void require_columns(const A &a, const B &b) {
  require(a.shape(1) == b.shape(1), "the arrays differ in their number of columns");
}

// Python's function that raises where a run is to end, as a time limit has passed; null: none.
inline PyObject *check_limits = nullptr;

// Runs pending signal handlers, then the check; true if one of them raised.
inline bool poll() {
  wait_if_ending();
  nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0)
    return true;
  if (!check_limits)
    return false;
  PyObject *const none = PyObject_CallNoArgs(check_limits);
  Py_XDECREF(none);
  return !none;
}

// Threads beyond these find no tasks, but would have scratch.
constexpr int kMostThreads = 256;

// Calls f without the GIL; the exception of a poll goes on from here.
template <class F> void call(int n_threads, F &&f) {
  bool done;
  {
    const InCore in_core; // until the GIL is there again
    const nb::gil_scoped_release release;
    wait_if_ending();
    {
      const FlushSubnormals mode;
      done = f(Run{std::clamp(n_threads, 1, kMostThreads), poll});
    }
    wait_if_ending();
  }
  if (!done)
    throw nb::python_error();
}

// ---- X as the bindings take it, dense or CSR -------------------------------------------

template <class T> struct DenseArg {
  using Arrays = In<T>;
  static Arrays arrays_of(nb::handle X) { return array_of<Arrays>(X, "a part of X"); }
  static auto view_of(const Arrays &X, Index) { return view<const T>(X); }
  static size_t rows(const Arrays &X) { return X.shape(0); }
};

// Whether row pointers lead through at most so many entries, row after row.
template <class I> bool leads_through(const I *pointers, size_t rows, size_t entries) {
  return pointers[0] >= 0 && std::is_sorted(pointers, pointers + rows + 1) &&
         static_cast<size_t>(pointers[rows]) <= entries;
}

template <class T, class I> struct CsrArg {
  using Arrays = nb::tuple; // values, indices, indptr, number of columns
  static Arrays arrays_of(nb::handle X) {
    require(nb::isinstance<nb::tuple>(X), "a part of X is no tuple of arrays");
    return nb::cast<nb::tuple>(X);
  }
  static CsrView<T, I> view_of(const Arrays &X, Index cols) {
    const auto what = "the three arrays of the CSR matrix do not belong together";
    require(nb::len(X) == 4 && nb::isinstance<nb::int_>(X[3]), what);
    // base/gate.py found the indices to be below this number; another look would cost a pass
    require(nb::cast<Index>(X[3]) == cols, "the columns of X do not fit the other factor");
    const auto values = array_of<Vector<T>>(X[0], "the values of X");
    const auto indices = array_of<Vector<I>>(X[1], "the indices of X");
    const auto indptr = array_of<Vector<I>>(X[2], "the row pointers of X");
    require(indptr.shape(0) >= 1 && values.shape(0) == indices.shape(0), what);
    const I *const pointers = data_of(indptr), rows = static_cast<I>(indptr.shape(0) - 1);
    require(leads_through(pointers, static_cast<size_t>(rows), values.shape(0)), what);
    return {data_of(values), data_of(indices), pointers, static_cast<Index>(rows), cols};
  }
};

// A dense X of any strides.
template <class T> struct StridedArg {
  using Arrays = In<T>;
  static Arrays arrays_of(nb::handle X) { return array_of<Arrays>(X, "a part of X"); }
  static StridedView<T> view_of(const Arrays &X, Index) {
    return {data_of(X), static_cast<Index>(X.shape(0)), static_cast<Index>(X.shape(1)),
            static_cast<Index>(X.stride(0)), static_cast<Index>(X.stride(1))};
  }
};

// X that is read in parts: an object with n_rows, entries, longest and a method
// next(n_tasks, block), which returns a list of (task, first block, last block, row, X) or None.
template <class Arg> struct StreamArg {
  using Arrays = nb::object;
  using View = decltype(Arg::view_of(std::declval<const typename Arg::Arrays &>(), Index()));

  static Stream<View> view_of(const nb::object &source, Index cols) {
    auto next = [from = nb::handle(source), cols](Index n_tasks, Index block,
                                                  std::vector<Piece<View>> &window) {
      wait_if_ending();
      nb::gil_scoped_acquire gil;
      window.clear();
      const nb::object parts = from.attr("next")(n_tasks, block);
      if (parts.is_none())
        return false;
      require(nb::isinstance<nb::list>(parts), "the parts of X are no list");
      for (nb::handle item : nb::cast<nb::list>(parts)) {
        require(nb::isinstance<nb::tuple>(item) && nb::len(item) == 5,
                "a part of X is no tuple of its task, blocks, row and numbers");
        const auto piece = nb::cast<nb::tuple>(item);
        const auto x = Arg::view_of(Arg::arrays_of(piece[4]), cols);
        const auto number = [&](size_t place) { return nb::cast<Index>(piece[place]); };
        const Index rows = number(2) * block - number(3);
        require(x.cols == cols && number(3) == number(1) * block && x.rows <= rows &&
                    x.rows > rows - block,
                "a part of X does not hold the rows that it should");
        window.push_back({number(0), number(1), number(2), number(3), x});
      }
      return true;
    };
    return {nb::cast<Index>(source.attr("n_rows")), cols,
            nb::cast<double>(source.attr("entries")), nb::cast<Index>(source.attr("longest")),
            next};
  }
};

// The argument that a view of X is made from.
template <class View> struct ArgOf;
template <class T> struct ArgOf<MatrixView<const T>> : DenseArg<T> {};
template <class T> struct ArgOf<StridedView<T>> : StridedArg<T> {};
template <class T, class I> struct ArgOf<CsrView<T, I>> : CsrArg<T, I> {};
template <class View> struct ArgOf<Stream<View>> : StreamArg<ArgOf<View>> {};

// The rows of a factor: an object with `start`, `solved`, and `previous` and `moved` or None.
template <class T> RowArrays<T> rows_of(nb::handle arrays) {
  const auto array = [&](const char *name) { return nb::object(arrays.attr(name)); };
  const auto solved = array_of<Out<T>>(array("solved"), "the factor that is solved for");
  const auto like_solved = [&](const auto &rows) {
    require_rows(rows, solved);
    require_columns(rows, solved);
    return rows;
  };
  RowArrays<T> rows{};
  rows.start = view<const T>(like_solved(array_of<In<T>>(array("start"), "the start")));
  rows.solved = view<T>(solved);
  const nb::object moved = array("moved");
  if (!moved.is_none()) {
    rows.previous =
        view<const T>(like_solved(array_of<In<T>>(array("previous"), "the factor before")));
    rows.moved = view<T>(like_solved(array_of<Out<T>>(moved, "the moved factor")));
  }
  return rows;
}

// Calls f(T{}) for both dtypes.
template <class F> void for_dtypes(F f) {
  f(float{});
  f(double{});
}

// Calls bind_storage<T, Arg>(m, name) for each storage of X, of which a dense one is a Dense.
#define NONNEG_BIND_STORAGE(name, T, ...) bind_storage<T, ArgOf<__VA_ARGS__>>(m, #name);
#define NONNEG_BIND_STORAGES(T, ...) NONNEG_STORAGES(NONNEG_BIND_STORAGE, T, __VA_ARGS__)

// Bindings of other files, for NB_MODULE.
void bind_options(nb::module_ &);
void bind_products(nb::module_ &);
void bind_drawing(nb::module_ &);
void bind_ordering(nb::module_ &);
void bind_half_step(nb::module_ &);
void bind_alternation(nb::module_ &);
void bind_extrapolation(nb::module_ &);
void bind_revival(nb::module_ &);
void bind_exact(nb::module_ &);
void bind_beta(nb::module_ &);
void bind_multiplication(nb::module_ &);
void bind_newton(nb::module_ &);
void bind_newton_stretch(nb::module_ &);
void bind_observed(nb::module_ &);
void bind_bounded(nb::module_ &);
void bind_irls(nb::module_ &);

} // namespace nonneg
