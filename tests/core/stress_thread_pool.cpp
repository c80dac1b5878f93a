// Stress of the pool for the thread sanitizer: many regions, from many threads, nested,
// stopped, around forks, across shut-downs and with deep stacks. Prints one line; exits non-zero on a fault.
#include "drivers/system.hpp"
#include "drivers/thread_pool.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

std::atomic<int> polls{0};

void require(bool ok, const char *what) {
  if (!ok) {
    std::fprintf(stderr, "stress_thread_pool: %s\n", what);
    std::_Exit(1);
  }
}

int64_t sum_of_squares(int64_t n, int n_threads) {
  std::vector<int64_t> part(static_cast<size_t>(n));
  auto fill = [&](int64_t task, int worker) {
    require(worker >= 0 && worker < n_threads, "worker out of range");
    part[static_cast<size_t>(task)] = task * task;
  };
  require(nonneg::parallel_for(n, n_threads, fill), "region stopped unasked");
  int64_t total = 0;
  for (int64_t value : part)
    total += value;
  return total;
}

void check(int64_t n, int n_threads) {
  require(sum_of_squares(n, n_threads) == (n - 1) * n * (2 * n - 1) / 6,
          "wrong sum: a task was lost or ran twice");
}

void nested() {
  std::atomic<int64_t> total{0};
  auto outer = [&](int64_t, int) { total += sum_of_squares(20, 3); };
  nonneg::parallel_for(30, 4, outer);
  require(total == 30 * 2470, "wrong nested sum");
}

void stopped() {
  auto slow = [](int64_t, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  auto poll = []() { return ++polls > 2; };
  polls = 0;
  require(!nonneg::parallel_for(100000, 3, slow, poll), "poll was ignored");
}

// Tasks that never end by themselves, on the thread that polls and on the others.
void stopped_within() {
  auto endless = [](int64_t, int) {
    while (!nonneg::asked_to_stop())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  auto poll = []() { return ++polls > 1; };
  for (int n_threads = 1; n_threads < 4; ++n_threads) {
    polls = 0;
    require(!nonneg::parallel_for(8, n_threads, endless, poll), "tasks were not stopped");
  }
  require(!nonneg::asked_to_stop(), "outside a region there is nothing to stop");
}

// Writes to half of a stack, which ends the process where it is smaller; the C library and
// the sanitizer take some of the rest.
__attribute__((noinline)) int fill_stack() {
  volatile char bytes[nonneg::kStackBytes / 2];
  for (size_t i = 0; i < sizeof bytes; i += 1024)
    bytes[i] = 1;
  return bytes[sizeof bytes / 2048 * 1024];
}

void deep() {
  std::atomic<int64_t> total{0};
  const auto caller = std::this_thread::get_id();
  auto task = [&](int64_t, int) {
    if (std::this_thread::get_id() != caller)
      total += fill_stack();
    else
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  nonneg::parallel_for(40, 4, task);
  require(total > 0, "no worker took a task");
#if defined(__linux__) || defined(__APPLE__)
  require(nonneg::pool_stack_bytes() >= nonneg::kStackBytes, "a worker has a small stack");
#endif
}

void forked() {
  const pid_t child = fork();
  if (child == 0) {
    check(500, 4); // the child's pool starts from nothing
    std::_Exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "forked child failed");
}

} // namespace

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 300;
  const bool with_fork = argc <= 2; // the sanitizer's run-time cannot start threads after fork
  for (int round = 0; round < rounds; ++round) {
    check(1 + round % 97, 1 + round % 9);
    if (round % 10 == 0)
      nested();
    if (round % 50 == 0) {
      std::vector<std::thread> callers;
      for (int t = 0; t < 4; ++t)
        callers.emplace_back([] {
          for (int i = 0; i < 50; ++i)
            check(60, 4);
        });
      for (auto &caller : callers)
        caller.join();
      nonneg::shut_down_pool();
      require(nonneg::pool_size() == 0, "workers outlived the shut-down");
    }
    if (with_fork && round % 25 == 0)
      forked();
  }
  deep();
  stopped();
  stopped_within();
  nonneg::shut_down_pool();
  std::printf("stress_thread_pool: %d rounds passed\n", rounds);
}
