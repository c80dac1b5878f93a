// Where operating systems differ: threads with a stack of our size, forks, aligned memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace nonneg {

// Stack of each worker. Systems give 128 KB (musl), 512 KB (macOS), 1 MB (Windows) or 8 MB.
constexpr size_t kStackBytes = size_t(4) << 20; // D-CORE-STACK

// A thread with a stack of kStackBytes, to be joined before it is destroyed.
class Thread {
public:
  // Throws std::system_error where no thread can be started.
  explicit Thread(std::function<void()> work);
  Thread(Thread &&) noexcept;
  ~Thread();
  Thread(const Thread &) = delete;
  Thread &operator=(const Thread &) = delete;
  void join();

private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

// Bytes of the stack of the calling thread; 0 where the system doesn't tell.
size_t own_stack_bytes();

// Time since some moment, to a few milliseconds, for a few nanoseconds.
std::chrono::milliseconds coarse_time();

// Has `call` called in each child of a fork, where there are forks. Returns 0.
int on_fork_in_child(void (*call)());

// Memory at a multiple of 64, of a size that is one as well; null where there is none.
void *allocate_aligned(size_t bytes);
void free_aligned(void *memory);

} // namespace nonneg
