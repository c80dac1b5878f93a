// The family "bounded", compiled once per instruction set.
#include "kernels/bounded_rows.hpp"

namespace nonneg::NONNEG_ISA {

extern const ByDtype<BoundedKernels> bounded;
const ByDtype<BoundedKernels> bounded{{box_bytes, solve_box<float>},
                                      {box_bytes, solve_box<double>}};

} // namespace nonneg::NONNEG_ISA
