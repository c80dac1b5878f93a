#include "drivers/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "drivers/float_mode.hpp"
#include "drivers/system.hpp"

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
  std::atomic<bool> failed{false};
  std::exception_ptr failure{}; // of the first task that threw; written once

  // Runs the next task; false when there is none to run. A task's exception ends the region
  // and is kept for the thread that started it: on a worker it would end the process.
  bool run_one(int worker) noexcept {
    if (stop.load(std::memory_order_relaxed))
      return false;
    const int64_t task = next.fetch_add(1, std::memory_order_relaxed);
    if (task >= n_tasks)
      return false;
    try {
      call(context, task, worker);
    } catch (...) {
      if (!failed.exchange(true))
        failure = std::current_exception();
      stop.store(true, std::memory_order_relaxed);
    }
    return true;
  }

  // For the thread that started the region, once no task runs.
  void rethrow() const {
    if (failure)
      std::rethrow_exception(failure);
  }
};

class Poller;

// The region whose task this thread runs, and its poller on the thread that started it.
struct Current {
  const Region *region;
  Poller *poller;
};
thread_local Current current_task{nullptr, nullptr};

class Entered {
public:
  explicit Entered(Current now) : before_(current_task) { current_task = now; }
  ~Entered() { current_task = before_; }
  Entered(const Entered &) = delete;
  Entered &operator=(const Entered &) = delete;

private:
  Current before_;
};

struct Pool {
  std::mutex busy;  // held while a region runs
  std::mutex state; // guards everything below
  std::condition_variable wake, done;
  std::vector<Thread> workers;
  Region *region = nullptr;
  uint64_t generation = 0;
  int wanted = 0;  // workers that may still join the region
  int running = 0; // workers inside the region
  bool ending = false;
  size_t least_stack = SIZE_MAX; // of the workers that have begun, in bytes
  size_t begun = 0;              // workers, since the pool was made or shut down

  // Starts workers until there are `count`, or as many as the system grants.
  void hire(int count) {
    try {
      while (static_cast<int>(workers.size()) < count)
        workers.emplace_back([this] { work(); });
    } catch (const std::system_error &) { // a limit of threads or memory
    }
  }

  void work() {
    const FlushSubnormals mode;
    std::unique_lock<std::mutex> lock(state);
    least_stack = std::min(least_stack, own_stack_bytes());
    ++begun;
    done.notify_all();
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
      {
        const Entered entered({mine, nullptr});
        while (mine->run_one(worker)) {
        }
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

// A fork waits for nothing: it may come from a thread that holds what a running region waits
// for, as the GIL. The child has no use for the parent's locks, whatever their state.
std::atomic<int> forks{0}; // between this process and the first one
void after_fork_in_child() {
  pool = new Pool;
  inside_region = false; // a handler of signals that forks runs inside of one
  ++forks;
}

const int registered = on_fork_in_child(after_fork_in_child);

class Poller {
public:
  // `pooled`: workers of the pool take part in the region.
  Poller(Poll poll, Region &region, bool pooled)
      : poll_(poll), region_(region), pooled_(pooled), last_(coarse_time()) {}

  void maybe() {
    if (!poll_ || stopped || lost_workers)
      return;
    const auto now = coarse_time();
    if (now - last_ < kPollInterval)
      return;
    last_ = now;
    const int before = forks.load();
    stopped = poll_();
    lost_workers = pooled_ && forks.load() != before;
    if (stopped || lost_workers)
      region_.stop.store(true, std::memory_order_relaxed);
  }

  bool stopped = false;
  bool lost_workers = false; // poll has forked, and this is the child

private:
  Poll poll_;
  Region &region_;
  bool pooled_;
  std::chrono::milliseconds last_;
};

bool run_inline(Region &region, Poll poll) {
  Poller poller(poll, region, false);
  const Entered entered({&region, &poller});
  while (region.run_one(0))
    poller.maybe();
  region.rethrow();
  return !poller.stopped;
}

// Waits until no worker runs a task of the region; false if there are none any more.
bool wait_for_workers(Pool *current, Poller &poller) {
  if (poller.lost_workers)
    return false;
  std::unique_lock<std::mutex> lock(current->state);
  current->wanted = 0; // late workers need not join: no task is left
  while (current->running > 0) {
    current->done.wait_for(lock, kPollInterval);
    if (current->running > 0) {
      lock.unlock();
      poller.maybe();
      if (poller.lost_workers) // nor does anyone hold or free the pool's locks
        return false;
      lock.lock();
    }
  }
  current->region = nullptr;
  return true;
}

} // namespace

bool asked_to_stop() {
  const Current now = current_task;
  if (now.poller)
    now.poller->maybe();
  return now.region && now.region->stop.load(std::memory_order_relaxed);
}

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
    current->hire(n_threads - 1);
    current->region = &region;
    ++current->generation;
    current->wanted = n_threads - 1; // those that there are will come
  }
  current->wake.notify_all();
  Poller poller(poll, region, true);
  {
    const Entered entered({&region, &poller});
    while (region.run_one(0))
      poller.maybe();
  }
  if (!wait_for_workers(current, poller)) {
    if (poller.stopped)
      return false;
    throw std::runtime_error("A handler of signals has forked this process during a fit, "
                             "which can't go on in the child. Let the child end or exec.");
  }
  inside_region = false;
  current->busy.unlock();
  region.rethrow();
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
  current->begun = 0;
  current->ending = false;
}

int pool_size() {
  std::lock_guard<std::mutex> lock(pool->state);
  return static_cast<int>(pool->workers.size());
}

size_t pool_stack_bytes() {
  std::unique_lock<std::mutex> lock(pool->state);
  pool->done.wait(lock, [] { return pool->begun == pool->workers.size(); });
  return pool->workers.empty() ? 0 : pool->least_stack;
}

} // namespace nonneg
