#include "binding/interpreter_exit.hpp"

#include <nanobind/nanobind.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "drivers/system.hpp"

namespace nonneg {
namespace {

using namespace std::chrono_literals;

// At most so long does the exit wait for threads that are between two looks at `ending`.
constexpr auto kPatience = 5s;

std::atomic<bool> ending{false};
std::atomic<int> in_core{0}, waiting{0};
thread_local int depth = 0; // of calls on this thread
std::thread::id ends_it; // set before `ending`

// Runs with the GIL, while it can still be asked for: threads that wait for it get it, and
// come to wait here at their next look.
void note_exit() {
  ends_it = std::this_thread::get_id();
  ending.store(true);
  if (in_core.load() > 0) // what these threads hold is never freed
    nanobind::set_leak_warnings(false);
  const nanobind::gil_scoped_release release;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (waiting.load() < in_core.load() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(1ms);
}

// A forked child has none of the parent's other threads.
const int registered = on_fork_in_child([] {
  in_core.store(depth);
  waiting.store(0);
});

} // namespace

InCore::InCore() {
  ++in_core;
  ++depth;
}
InCore::~InCore() {
  --in_core;
  --depth;
}

void wait_if_ending() {
  if (!ending.load() || std::this_thread::get_id() == ends_it)
    return;
  ++waiting;
  for (;;)
    std::this_thread::sleep_for(1h);
}

void register_exit_handler() {
  nanobind::module_::import_("atexit").attr("register")(nanobind::cpp_function(note_exit));
}

} // namespace nonneg
