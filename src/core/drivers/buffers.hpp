// Memory of the drivers: aligned arrays, and one scratch area per worker.
#pragma once

#include <cstddef>

namespace nonneg {

// Returns aligned memory and sets `bytes` to its size. Blocks that were given back are taken
// again first. An allocator may return them to the system and get pages of zeros anew, as
// Dask configures it on its workers: that was half of the page faults of a half-step
// (D-CORE-KEPT-MEMORY).
void *take_block(size_t &bytes);
void give_block(void *memory, size_t bytes);

template <class T> class Buffer {
public:
  explicit Buffer(size_t count) : bytes_(count * sizeof(T)), memory_(take_block(bytes_)) {}
  ~Buffer() { give_block(memory_, bytes_); }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  T *get() const { return static_cast<T *>(memory_); }

private:
  size_t bytes_;
  void *memory_;
};

// One scratch area per worker.
class Scratch {
public:
  Scratch(size_t bytes, int n_workers)
      : bytes_((bytes + 63) / 64 * 64), all_(bytes_ * static_cast<size_t>(n_workers)) {}
  void *operator()(int worker) const {
    return all_.get() + bytes_ * static_cast<size_t>(worker);
  }

private:
  size_t bytes_;
  Buffer<char> all_;
};

} // namespace nonneg
