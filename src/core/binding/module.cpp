// The module `_core`: checks arguments, releases the GIL, calls, and nothing else.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <stdexcept>

#include "binding/arguments.hpp"
#include "binding/interpreter_exit.hpp"
#include "drivers/tuning.hpp"

namespace nonneg {
namespace {

// The function behind a Cython capsule, whose name is its C signature. Integers of an
// unknown width are refused: then the kernels' own products are used.
void *cython_function(nb::handle capsule, bool &wide) {
  const char *name = PyCapsule_GetName(capsule.ptr());
  if (!name || !std::strstr(name, "char *")) {
    PyErr_Clear();
    return nullptr;
  }
  if (std::strstr(name, "int64") || std::strstr(name, "long"))
    wide = true;
  else if (std::strstr(name, ", int *"))
    wide = false;
  else
    return nullptr;
  return PyCapsule_GetPointer(capsule.ptr(), name);
}

bool set_blas(nb::handle sgemm, nb::handle dgemm) {
  bool wide_s = false, wide_d = false;
  void *s = cython_function(sgemm, wide_s), *d = cython_function(dgemm, wide_d);
  if (!s || !d || wide_s != wide_d)
    return false;
  blas = Blas{s, d, wide_s};
  return true;
}

// Reads one byte of every `step`, so that pages that are mapped are there by then.
void touch(Vector<uint8_t> bytes, size_t step) {
  require(step > 0, "the step must be positive");
  const volatile uint8_t *const first = bytes.data();
  const InCore in_core;
  const nb::gil_scoped_release release;
  for (size_t i = 0; i < bytes.shape(0); i += step)
    first[i];
  wait_if_ending();
}

// Sizes that Python cuts by, too, so that it meets the blocks of the drivers.
void bind_sizes(nb::module_ &m) {
  m.attr("SUMMARY_ENTRIES") = kSummaryBlock;
  m.attr("FACTOR_ROWS") = kFactorBlock;
  m.attr("DENSE_ROWS_UNIT") = kDenseRowsUnit;
  m.attr("SLOT_BYTES") = kSlotBytes;
  m.attr("MOST_SLOT_BYTES") = kMostSlotBytes;
}

} // namespace
} // namespace nonneg

NB_MODULE(_core, m) {
  using namespace nonneg;
  if (!choose_set("")) // nanobind makes an ImportError of it
    throw std::runtime_error(
        "nonneg's compiled core needs a processor of x86-64-v2 (SSE 4.2) or later, and this one "
        "has less; set NONNEG_SIMD=reference to compute by NumPy instead.");
  register_exit_handler();
  m.def("available_sets", available_sets);
  m.def("choose_set", choose_set, nb::arg("name"));
  m.def("chosen_set", [] { return std::string(kernel_table().name); });
  m.def("set_blas", set_blas, nb::arg("sgemm"), nb::arg("dgemm"));
  m.def("unset_blas", [] { blas = Blas{}; });
  m.def("set_thread_work", [](double work) { thread_work = work; }, nb::arg("work"));
  m.def("set_check", [](nb::object check) {
    Py_XDECREF(check_limits);
    check_limits = check.release().ptr();
  }, nb::arg("check"));
  m.def("touch", touch, nb::arg("bytes"), nb::arg("step"));
  m.def("pool_size", pool_size);
  m.def("pool_stack_bytes", pool_stack_bytes);
  m.def("shut_down_pool", shut_down_pool, nb::call_guard<nb::gil_scoped_release>());
  bind_sizes(m);
  bind_options(m);
  bind_products(m);
  bind_drawing(m);
  bind_ordering(m);
  bind_half_step(m);
  bind_alternation(m);
  bind_extrapolation(m);
  bind_revival(m);
  bind_exact(m);
  bind_beta(m);
  bind_multiplication(m);
  bind_newton(m);
  bind_newton_stretch(m);
  bind_observed(m);
  bind_bounded(m);
  bind_irls(m);
}
