#include "drivers/buffers.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>

#include "drivers/system.hpp"

namespace nonneg {
namespace {

// Blocks below this size come from the heap, whose pages stay with the process; each thread
// keeps a few, as a heap looks for aligned ones: a quarter of an iteration on 20 x 10 entries
// (D-CORE-KEPT-MEMORY).
constexpr size_t kLeast = size_t(1) << 17;
constexpr size_t kMostSmall = size_t(1) << 18; // bytes that a thread keeps
// Most bytes that are kept: the accumulators (see tuning.hpp) and scratch of a half-step.
constexpr size_t kMost = size_t(24) << 20;

// With a sanitizer none are kept, so that each use of freed memory is seen.
#if defined(NONNEG_SANITIZED)
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif

struct Block {
  void *memory = nullptr;
  size_t bytes = 0;
};

// Freed blocks, the oldest first, of `most` bytes together.
class Freed {
public:
  explicit Freed(size_t most) : most_(most) {}

  // A block of so many bytes or up to twice as many; `bytes` becomes its size.
  void *take(size_t &bytes) {
    for (size_t i = count_; i-- > 0;) {
      const Block block = blocks_[i];
      if (block.bytes < bytes || block.bytes > 2 * bytes)
        continue;
      remove(i);
      bytes = block.bytes;
      return block.memory;
    }
    return nullptr;
  }

  void give(void *memory, size_t bytes) {
    while (count_ == blocks_.size() || total_ + bytes > most_)
      free_oldest();
    blocks_[count_++] = {memory, bytes};
    total_ += bytes;
  }

  void clear() {
    while (count_ > 0)
      free_oldest();
  }

private:
  void free_oldest() {
    free_aligned(blocks_[0].memory);
    remove(0);
  }

  void remove(size_t i) {
    total_ -= blocks_[i].bytes;
    std::copy(blocks_.begin() + i + 1, blocks_.begin() + count_, blocks_.begin() + i);
    --count_;
  }

  size_t most_;
  std::array<Block, 8> blocks_;
  size_t count_ = 0, total_ = 0;
};

// Large blocks, for all threads.
class Kept {
public:
  void *take(size_t &bytes) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    // without it by another thread, or in a child since before the fork
    return lock ? blocks_.take(bytes) : nullptr;
  }

  bool give(void *memory, size_t bytes) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock || bytes > kMost)
      return false;
    blocks_.give(memory, bytes);
    return true;
  }

private:
  std::mutex mutex_;
  Freed blocks_{kMost};
};

// Small blocks of one thread, until it ends.
struct OwnBlocks {
  Freed blocks{kMostSmall};
  ~OwnBlocks() { blocks.clear(); }
};
thread_local OwnBlocks own;

Kept &kept() {
  static Kept *const all = new Kept; // not destroyed: threads may outlive statics
  return *all;
}

} // namespace

void *take_block(size_t &bytes) {
  bytes = (std::max<size_t>(bytes, 1) + 63) / 64 * 64;
  if (void *const memory = bytes < kLeast ? own.blocks.take(bytes) : kept().take(bytes))
    return memory;
  void *const memory = allocate_aligned(bytes);
  if (!memory)
    throw std::bad_alloc();
  return memory;
}

void give_block(void *memory, size_t bytes) {
  if (kKeeps && bytes < kLeast)
    own.blocks.give(memory, bytes);
  else if (!kKeeps || !kept().give(memory, bytes))
    free_aligned(memory);
}

} // namespace nonneg
