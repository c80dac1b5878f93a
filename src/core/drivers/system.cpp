#include "drivers/system.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <system_error>
#include <utility>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <malloc.h>
#include <process.h>
#include <windows.h>
#else
#include <pthread.h>
#include <time.h>
#endif

namespace nonneg {
namespace {

[[noreturn]] void fail(int code) {
  throw std::system_error(code, std::generic_category(), "a worker can't be started");
}

// Takes over the work, which the new thread owns.
void run(void *work) {
  const std::unique_ptr<std::function<void()>> mine(static_cast<std::function<void()> *>(work));
  (*mine)();
}

} // namespace

#if defined(_WIN32)

struct Thread::Handle {
  HANDLE thread;
};

static unsigned __stdcall start(void *work) {
  run(work);
  return 0;
}

Thread::Thread(std::function<void()> work) {
  auto owned = std::make_unique<std::function<void()>>(std::move(work));
  auto handle = std::make_unique<Handle>();
  const uintptr_t thread =
      _beginthreadex(nullptr, static_cast<unsigned>(kStackBytes), start, owned.get(),
                     STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
  if (thread == 0)
    fail(errno);
  owned.release();
  handle->thread = reinterpret_cast<HANDLE>(thread);
  handle_ = std::move(handle);
}

void Thread::join() {
  WaitForSingleObject(handle_->thread, INFINITE);
  CloseHandle(handle_->thread);
}

size_t own_stack_bytes() {
  ULONG_PTR low = 0, high = 0;
  GetCurrentThreadStackLimits(&low, &high);
  return static_cast<size_t>(high - low);
}

int on_fork_in_child(void (*)()) { return 0; }

void *allocate_aligned(size_t bytes) { return _aligned_malloc(bytes, 64); }
void free_aligned(void *memory) { _aligned_free(memory); }

#else

struct Thread::Handle {
  pthread_t thread;
};

static void *start(void *work) {
  run(work);
  return nullptr;
}

Thread::Thread(std::function<void()> work) {
  auto owned = std::make_unique<std::function<void()>>(std::move(work));
  auto handle = std::make_unique<Handle>();
  pthread_attr_t attributes;
  int code = pthread_attr_init(&attributes);
  if (code != 0)
    fail(code);
  code = pthread_attr_setstacksize(&attributes, kStackBytes);
  if (code == 0)
    code = pthread_create(&handle->thread, &attributes, start, owned.get());
  pthread_attr_destroy(&attributes);
  if (code != 0)
    fail(code);
  owned.release();
  handle_ = std::move(handle);
}

void Thread::join() { pthread_join(handle_->thread, nullptr); }

size_t own_stack_bytes() {
#if defined(__APPLE__)
  return pthread_get_stacksize_np(pthread_self());
#elif defined(__linux__)
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0)
    return 0;
  size_t bytes = 0;
  pthread_attr_getstacksize(&attributes, &bytes);
  pthread_attr_destroy(&attributes);
  return bytes;
#else
  return 0;
#endif
}

int on_fork_in_child(void (*call)()) { return pthread_atfork(nullptr, nullptr, call); }

void *allocate_aligned(size_t bytes) { return std::aligned_alloc(64, bytes); }
void free_aligned(void *memory) { std::free(memory); }

#endif

std::chrono::milliseconds coarse_time() {
#if defined(CLOCK_MONOTONIC_COARSE)
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::chrono::milliseconds(int64_t(now.tv_sec) * 1000 + now.tv_nsec / 1000000);
#else
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now);
#endif
}

Thread::Thread(Thread &&) noexcept = default;
Thread::~Thread() = default;

} // namespace nonneg
