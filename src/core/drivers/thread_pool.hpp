// Thread pool of parked workers behind parallel_for; safe to fork around.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nonneg {

// Called on the calling thread about every 50 ms; true asks the region to stop.
using Poll = bool (*)();

// Runs call(context, task, worker) for every task in [0, n_tasks) on at most n_threads
// threads, the calling one among them; worker is in [0, n_threads). Which thread runs a
// task is left open, so results must not depend on it. Nested or concurrent regions run
// on their own thread alone. Returns false if poll asked to stop; then some tasks have
// not run, and none is running. Throws where poll has forked: the child has no workers.
bool run_region(int64_t n_tasks, int n_threads,
                void (*call)(void *, int64_t, int), void *context, Poll poll);

template <class F>
bool parallel_for(int64_t n_tasks, int n_threads, F &fn, Poll poll = nullptr) {
  return run_region(
      n_tasks, n_threads,
      [](void *context, int64_t task, int worker) {
        (*static_cast<F *>(context))(task, worker);
      },
      &fn, poll);
}

// Whether the region of the task that runs on this thread is to end: drivers and kernels ask
// between the pieces of a task, which then leaves the rest undone. On the thread that started
// the region it polls as well.
bool asked_to_stop();

// Ends and joins the workers; the next region starts new ones.
void shut_down_pool();

// Number of workers parked or running.
int pool_size();

// Bytes of the smallest stack of the workers, once all of them have begun; 0 without any, and
// where the system doesn't tell.
size_t pool_stack_bytes();

} // namespace nonneg
