// The levels of x86-64 that processor and operating system support, by CPUID and XGETBV: for
// compilers whose built-in for that needs a run-time library that isn't linked, as clang-cl's.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

namespace nonneg {

namespace x86 {

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

inline Registers cpuid(unsigned leaf) {
  Registers r;
  if (!__get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx))
    return {};
  return r;
}

constexpr bool has(unsigned word, unsigned bits) { return (word & bits) == bits; }

constexpr unsigned bit(int n) { return 1u << n; }

// Registers that the system saves: bits of XCR0.
inline unsigned saved_registers() {
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

} // namespace x86

// Whether level 2, 3 or 4 can be used, as far as the kernels need it.
inline bool supports_x86_level(int level) {
  using namespace x86;
  const Registers base = cpuid(1), extended = cpuid(7);
  const bool v2 = has(base.ecx, bit(20) | bit(23)); // SSE4.2, POPCNT
  if (level <= 2 || !v2)
    return v2;
  const bool saves = has(base.ecx, bit(27)); // OSXSAVE
  const unsigned saved = saves ? saved_registers() : 0;
  const bool v3 = has(saved, bit(1) | bit(2)) &&           // XMM, YMM
                  has(base.ecx, bit(12) | bit(28)) &&      // FMA, AVX
                  has(extended.ebx, bit(3) | bit(5) | bit(8)); // BMI, AVX2, BMI2
  if (level == 3 || !v3)
    return v3;
  return has(saved, bit(5) | bit(6) | bit(7)) && // masks, ZMM
         has(extended.ebx, bit(16) | bit(17) | bit(28) | bit(30) | bit(31)); // F DQ CD BW VL
}

} // namespace nonneg
#endif
