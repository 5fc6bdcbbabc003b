// Plain C++ for any processor: k-mers of 3, one look-up at a time.

#include "scan/filter_loop.h"

namespace cisreg::scan {
namespace {

struct PortableBytes {
  static constexpr int kLanes = 16;
  static constexpr int kTableBytes = 128;

  uint8_t value[kLanes];

  static PortableBytes Zero() { return {}; }
  static PortableBytes Set(uint8_t value) {
    PortableBytes bytes;
    for (uint8_t& lane : bytes.value) lane = value;
    return bytes;
  }
  static PortableBytes Load(const uint8_t* source) {
    PortableBytes bytes;
    for (int i = 0; i < kLanes; ++i) bytes.value[i] = source[i];
    return bytes;
  }
  void Store(uint8_t* target) const {
    for (int i = 0; i < kLanes; ++i) target[i] = value[i];
  }

  template <bool kAnyUnknown>
  struct Table {
    explicit Table(const uint8_t* source) : entries(source) {}
    PortableBytes Lookup(const PortableBytes& codes) const {
      PortableBytes found;
      for (int i = 0; i < kLanes; ++i) found.value[i] = entries[codes.value[i]];
      return found;
    }
    const uint8_t* entries;
  };
};

inline PortableBytes AddSaturated(const PortableBytes& a, const PortableBytes& b) {
  PortableBytes sum;
  for (int i = 0; i < PortableBytes::kLanes; ++i) {
    const uint8_t wrapped = static_cast<uint8_t>(a.value[i] + b.value[i]);
    sum.value[i] = wrapped < a.value[i] ? kSaturated : wrapped;
  }
  return sum;
}
inline PortableBytes Min(const PortableBytes& a, const PortableBytes& b) {
  PortableBytes lower;
  for (int i = 0; i < PortableBytes::kLanes; ++i) {
    lower.value[i] = a.value[i] < b.value[i] ? a.value[i] : b.value[i];
  }
  return lower;
}
inline uint64_t AtMost(const PortableBytes& a, const PortableBytes& b) {
  uint64_t bits = 0;
  for (int i = 0; i < PortableBytes::kLanes; ++i) {
    bits |= static_cast<uint64_t>(a.value[i] <= b.value[i]) << i;
  }
  return bits;
}

}  // namespace

const FilterKernels kPortableFilter = {
    "portable", 3, PortableBytes::kTableBytes, 1.0, Select<PortableBytes>, Lowest<PortableBytes>,
};

}  // namespace cisreg::scan
