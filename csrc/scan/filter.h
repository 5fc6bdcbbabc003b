// The filter: finds, with a few look-ups for many sites at once, the sites that may be strong.
//
// The penalty of a site is its log Kd minus that of the motif's strongest site. It is a sum over
// columns of numbers that are never negative. Tables hold it as bytes, rounded down, for each
// k-mer: one look-up serves k columns, and vector units do 16 to 64 look-ups at once. Sums of
// rounded penalties are never above the true ones: no strong site is lost, and the few weak ones
// that pass are dropped when their exact log Kd is computed.

#ifndef CISREG_CSRC_SCAN_FILTER_H_
#define CISREG_CSRC_SCAN_FILTER_H_

#include <cstdint>

namespace cisreg::scan {

// A motif on one strand. If windows with unknown bases are skipped, the tables give k-mers with an
// unknown base the saturated penalty. Penalties of a window are sums over tables t of
// table[t][k-mer code at the window's first base + offset[t]], saturated at kSaturated.
struct Filter {
  int table_count;
  const int32_t* offset;  // [table_count]
  const uint8_t* table;   // [table_count, FilterKernels::table_bytes], 64-byte aligned
};

inline constexpr int kSaturated = 255;

// Codes may be read this far behind the last one that counts.
inline constexpr int kReadAhead = 512;

struct FilterKernels {
  const char* name;
  int kmer_length;
  // Codes of k-mers of known bases come first, those that hold an unknown base behind them.
  int table_bytes;
  // Cycles that one look-up takes, divided by the sites it serves.
  double lookup_cycles;
  // Writes which of `count` windows have a penalty of at most `largest`, in rising order, and
  // returns how many they are. `codes` holds the k-mer at each window's first base.
  int64_t (*select)(const Filter& filter, const uint8_t* codes, int64_t count, bool any_unknown,
                    uint8_t largest, uint32_t* windows);
  // The lowest penalty among `count` windows, at least one.
  uint8_t (*lowest)(const Filter& filter, const uint8_t* codes, int64_t count, bool any_unknown);
};

extern const FilterKernels kPortableFilter;
#if defined(CISREG_HAVE_X86_KERNELS)
extern const FilterKernels kAvx2Filter;
extern const FilterKernels kAvx512Filter;
#endif
#if defined(CISREG_HAVE_ARM_KERNELS)
extern const FilterKernels kNeonFilter;
#endif

// Kernels by name where this processor has them, else null.
const FilterKernels* FindFilter(const char* name);

// The fastest that this processor has, or the one that CISREG_INSTRUCTION_SET names.
const FilterKernels& SelectFilter();

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_FILTER_H_
