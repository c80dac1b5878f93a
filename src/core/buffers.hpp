// Memory of the drivers: aligned arrays, and one scratch area per worker.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace nonneg {

template <class T> class Buffer {
public:
  explicit Buffer(size_t count)
      : data_(static_cast<T *>(std::aligned_alloc(
            64, (std::max<size_t>(count, 1) * sizeof(T) + 63) / 64 * 64))) {
    if (!data_)
      throw std::bad_alloc();
  }
  T *get() const { return data_.get(); }

private:
  struct Free {
    void operator()(void *p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
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
