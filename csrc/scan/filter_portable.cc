// Plain C++ for any processor: k-mers of 3, one look-up at a time.

#include "scan/filter_loop.h"

namespace cisreg::scan {
namespace {

// One lane, so that sums stay in registers. It is wider than a byte, so it saturates when stored.
struct PortableBytes {
  static constexpr int kLanes = 1;
  static constexpr int kTableBytes = 128;

  uint32_t value;

  static PortableBytes Zero() { return {0}; }
  static PortableBytes Set(uint8_t value) { return {value < kSaturated ? value : UINT32_MAX}; }
  static PortableBytes Load(const uint8_t* source) { return {*source}; }
  void Store(uint8_t* target) const {
    *target = static_cast<uint8_t>(value < kSaturated ? value : kSaturated);
  }

  template <bool kAnyUnknown>
  struct Table {
    explicit Table(const uint8_t* source) : entries(source) {}
    PortableBytes Lookup(PortableBytes codes) const { return {entries[codes.value]}; }
    const uint8_t* entries;
  };
};

inline PortableBytes AddSaturated(PortableBytes a, PortableBytes b) { return {a.value + b.value}; }
inline PortableBytes Min(PortableBytes a, PortableBytes b) { return a.value < b.value ? a : b; }
inline uint64_t AtMost(PortableBytes a, PortableBytes b) { return a.value <= b.value; }

}  // namespace

const FilterKernels kPortableFilter = {
    "portable", 3, PortableBytes::kTableBytes, 0.6, Select<PortableBytes>, Lowest<PortableBytes>,
};

}  // namespace cisreg::scan
