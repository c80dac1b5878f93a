// Means of a run that every driver gets: threads, a poll for interrupts, BLAS.
#pragma once

#include "drivers/thread_pool.hpp"
#include "kernels/views.hpp"

namespace nonneg {

struct Run {
  int n_threads;
  Poll poll;
};

extern Blas blas; // set once, when the module is imported

} // namespace nonneg
