// Choice of the instruction set: once, when the module is imported.
#pragma once

#include <string>
#include <vector>

#include "kernels/interface.hpp"

namespace nonneg {

// Sets compiled in that this processor can run, the best one first.
std::vector<std::string> available_sets();

// Picks a set by name, or the best one for an empty name; false if it cannot be had.
bool choose_set(const std::string &name);

const KernelTable &kernel_table();

} // namespace nonneg
