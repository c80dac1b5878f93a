// The blocks of a pass that accumulates X'A, and the slots that its sums go to.
#pragma once

#include <algorithm>

#include "drivers/storage.hpp"
#include "drivers/tuning.hpp"

namespace nonneg {

// Blocks and slots of a pass that accumulates X'A.
struct Cut {
  Index block, n_blocks;
  int n_slots; // 0: the accumulators would be too large; panels of features instead
  Index slot_size;

  Index first_block(Index slot) const { return n_blocks * slot / n_slots; }

  // The slot's accumulators among all of them, cleared where its first block comes.
  template <class T> T *opened(T *slots, Index slot, Index block) const {
    T *const sum = slots + slot * slot_size;
    if (block == first_block(slot))
      std::fill(sum, sum + slot_size, T(0));
    return sum;
  }
};

// With accumulators of so many numbers.
template <class X> Cut cut_pass(const X &x, Index slot_size) {
  Cut cut;
  cut.block = block_rows(x);
  cut.n_blocks = std::max<Index>(1, ceil_div(x.rows, cut.block));
  cut.slot_size = slot_size;
  const Index bytes = std::max<Index>(1, cut.slot_size * 8);
  Index fitting = std::clamp<Index>(kSlotBytes / bytes, 2, kMostSlots);
  fitting += fitting == 3; // three tasks would leave one of two threads idle half the time
  cut.n_slots =
      static_cast<int>(std::min({fitting, kMostSlotBytes / bytes, cut.n_blocks}));
  return cut;
}

template <class T>
bool add_slots(const Kernels<T> &K, const T *slots, Index slot_size, int n_slots,
               int width, MatrixView<T> out, Run run) {
  auto task = [&](int64_t i, int) {
    const Index first = i * kFactorBlock;
    K.products.reduce(slots, slot_size, n_slots, width, first,
             std::min(first + kFactorBlock, out.rows), out);
  };
  const double work = double(out.rows) * double(out.cols) * n_slots;
  return parallel_for(ceil_div(out.rows, kFactorBlock), threads_for(work, run.n_threads),
                      task, run.poll);
}

} // namespace nonneg
