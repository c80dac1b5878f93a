#include "drivers/thread_pool.hpp"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace nonneg {
namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(50);

// One parallel loop; lives on the stack of the thread that started it.
struct Region {
  void (*call)(void *, int64_t, int);
  void *context;
  int64_t n_tasks;
  std::atomic<int64_t> next{0};
  std::atomic<bool> stop{false};

  bool run_one(int worker) {
    if (stop.load(std::memory_order_relaxed))
      return false;
    const int64_t task = next.fetch_add(1, std::memory_order_relaxed);
    if (task >= n_tasks)
      return false;
    call(context, task, worker);
    return true;
  }
};

struct Pool {
  std::mutex busy;  // held while a region runs, and across a fork
  std::mutex state; // guards everything below
  std::condition_variable wake, done;
  std::vector<std::thread> workers;
  Region *region = nullptr;
  uint64_t generation = 0;
  int wanted = 0;  // workers that may still join the region
  int running = 0; // workers inside the region
  bool ending = false;

  void work() {
    std::unique_lock<std::mutex> lock(state);
    uint64_t seen = 0;
    for (;;) {
      wake.wait(lock, [&] {
        return ending || (region && generation != seen && wanted > 0);
      });
      if (ending)
        return;
      seen = generation;
      const int worker = wanted--;
      ++running;
      Region *mine = region;
      lock.unlock();
      while (mine->run_one(worker)) {
      }
      lock.lock();
      if (--running == 0)
        done.notify_one();
    }
  }
};

// Replaced in a forked child, whose copy of the parent's workers does not exist; the old
// pool is leaked there on purpose. Never destroyed, so that exit needs no order.
Pool *pool = new Pool;
thread_local bool inside_region = false;

void before_fork() {
  if (inside_region)
    return;
  pool->busy.lock(); // waits for a running region
  pool->state.lock();
}

void after_fork_in_parent() {
  if (inside_region)
    return;
  pool->state.unlock();
  pool->busy.unlock();
}

void after_fork_in_child() { pool = new Pool; }

const int registered =
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);

class Poller {
public:
  Poller(Poll poll, Region &region)
      : poll_(poll), region_(region), last_(std::chrono::steady_clock::now()) {}

  void maybe() {
    if (!poll_)
      return;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < kPollInterval)
      return;
    last_ = now;
    if (poll_()) {
      stopped = true;
      region_.stop.store(true, std::memory_order_relaxed);
    }
  }

  bool stopped = false;

private:
  Poll poll_;
  Region &region_;
  std::chrono::steady_clock::time_point last_;
};

bool run_inline(Region &region, Poll poll) {
  Poller poller(poll, region);
  while (region.run_one(0))
    poller.maybe();
  return !poller.stopped;
}

} // namespace

bool run_region(int64_t n_tasks, int n_threads,
                void (*call)(void *, int64_t, int), void *context, Poll poll) {
  Region region{call, context, n_tasks};
  if (n_threads > n_tasks)
    n_threads = static_cast<int>(n_tasks);
  Pool *const current = pool;
  if (n_threads <= 1 || inside_region || !current->busy.try_lock())
    return run_inline(region, poll);
  inside_region = true;
  {
    std::lock_guard<std::mutex> lock(current->state);
    while (static_cast<int>(current->workers.size()) < n_threads - 1)
      current->workers.emplace_back([current] { current->work(); });
    current->region = &region;
    ++current->generation;
    current->wanted = n_threads - 1;
  }
  current->wake.notify_all();
  Poller poller(poll, region);
  while (region.run_one(0))
    poller.maybe();
  {
    std::unique_lock<std::mutex> lock(current->state);
    current->wanted = 0; // late workers need not join: no task is left
    while (current->running > 0) {
      current->done.wait_for(lock, kPollInterval);
      if (current->running > 0) {
        lock.unlock();
        poller.maybe();
        lock.lock();
      }
    }
    current->region = nullptr;
  }
  inside_region = false;
  current->busy.unlock();
  return !poller.stopped;
}

void shut_down_pool() {
  Pool *const current = pool;
  std::lock_guard<std::mutex> busy(current->busy);
  {
    std::lock_guard<std::mutex> lock(current->state);
    current->ending = true;
  }
  current->wake.notify_all();
  for (auto &worker : current->workers)
    worker.join();
  current->workers.clear();
  current->ending = false;
}

int pool_size() {
  std::lock_guard<std::mutex> lock(pool->state);
  return static_cast<int>(pool->workers.size());
}

} // namespace nonneg
