#include "drivers/buffers.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>

#include "drivers/system.hpp"

namespace nonneg {
namespace {

// Blocks below this size come from the heap, whose pages stay with the process.
constexpr size_t kLeast = size_t(1) << 17;
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

// Freed blocks, the oldest first.
class Kept {
public:
  // A block of so many bytes or up to twice as many; `bytes` becomes its size.
  void *take(size_t &bytes) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock) // by another thread, or in a child since before the fork
      return nullptr;
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

  bool give(void *memory, size_t bytes) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!kKeeps || !lock || bytes < kLeast || bytes > kMost)
      return false;
    while (count_ == blocks_.size() || total_ + bytes > kMost) {
      free_aligned(blocks_[0].memory);
      remove(0);
    }
    blocks_[count_++] = {memory, bytes};
    total_ += bytes;
    return true;
  }

private:
  void remove(size_t i) {
    total_ -= blocks_[i].bytes;
    std::copy(blocks_.begin() + i + 1, blocks_.begin() + count_, blocks_.begin() + i);
    --count_;
  }

  std::mutex mutex_;
  std::array<Block, 8> blocks_;
  size_t count_ = 0, total_ = 0;
};

Kept &kept() {
  static Kept *const all = new Kept; // not destroyed: threads may outlive statics
  return *all;
}

} // namespace

void *take_block(size_t &bytes) {
  bytes = (std::max<size_t>(bytes, 1) + 63) / 64 * 64;
  if (bytes >= kLeast)
    if (void *const memory = kept().take(bytes))
      return memory;
  void *const memory = allocate_aligned(bytes);
  if (!memory)
    throw std::bad_alloc();
  return memory;
}

void give_block(void *memory, size_t bytes) {
  if (!kept().give(memory, bytes))
    free_aligned(memory);
}

} // namespace nonneg
