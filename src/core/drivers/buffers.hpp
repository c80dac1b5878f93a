// Memory of the drivers: aligned arrays, and one scratch area per worker.
#pragma once

#include <cstddef>

namespace nonneg {

// Aligned memory; `bytes` becomes what there is of it. Blocks that were given back are taken
// again first: an allocator may hand them to the system and get pages of zeros anew, as Dask
// tells it to on its workers. There half of the page faults of a half-step were for its 8 MB
// (100,000 x 1000, k = 64).
void *take_block(size_t &bytes);
void give_block(void *at, size_t bytes);

template <class T> class Buffer {
public:
  explicit Buffer(size_t count) : bytes_(count * sizeof(T)), at_(take_block(bytes_)) {}
  ~Buffer() { give_block(at_, bytes_); }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  T *get() const { return static_cast<T *>(at_); }

private:
  size_t bytes_;
  void *at_;
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
