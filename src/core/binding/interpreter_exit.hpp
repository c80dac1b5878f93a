// Threads in the core when the interpreter ends. A daemon thread that asks for the GIL of an
// interpreter that is gone is unwound by force, which C++ destructors turn into an abort.
// From its exit handler on, such threads wait here for the end of the process instead.
#pragma once

namespace nonneg {

// Counts a thread in the core, from before it releases the GIL until it has it again.
class InCore {
public:
  InCore();
  ~InCore();
  InCore(const InCore &) = delete;
  InCore &operator=(const InCore &) = delete;
};

// Never returns once the interpreter is ending, but on the thread that ends it. To be called
// without the GIL, before it is asked for.
void wait_if_ending();

// Has the interpreter call `note_exit` before it ends.
void register_exit_handler();

} // namespace nonneg
