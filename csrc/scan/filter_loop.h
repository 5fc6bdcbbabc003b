// The filter's loops, written once for every vector type.
//
// `Bytes` is a vector of unsigned bytes: kLanes, kTableBytes, Load, Zero, Set, and
//   Table<any_unknown>(pointer).Lookup(codes)
//   AddSaturated(a, b), Min(a, b), Store(pointer)
//   AtMost(a, b): bit i is set where lane i of a is at most that of b
// All of it has internal linkage: units compiled for different processors share no code.

#ifndef CISREG_CSRC_SCAN_FILTER_LOOP_H_
#define CISREG_CSRC_SCAN_FILTER_LOOP_H_

#include "scan/filter.h"

namespace cisreg::scan {
namespace {

// Vectors in flight, so that a table is loaded once for all of them and latencies overlap.
constexpr int kVectors = 4;

// A number of tables that only the filter knows.
constexpr int kAnyNumber = 0;

template <class Bytes>
constexpr int kBlock = kVectors * Bytes::kLanes;

template <class Bytes, bool kAnyUnknown, int kTables>
inline void SumBlock(const Filter& filter, const uint8_t* codes, Bytes (&sum)[kVectors]) {
  using Table = typename Bytes::template Table<kAnyUnknown>;
  for (Bytes& vector : sum) vector = Bytes::Zero();
  const int table_count = kTables == kAnyNumber ? filter.table_count : kTables;
  for (int t = 0; t < table_count; ++t) {
    const Table table(filter.table + t * Bytes::kTableBytes);
    const uint8_t* source = codes + filter.offset[t];
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = AddSaturated(sum[v], table.Lookup(Bytes::Load(source + v * Bytes::kLanes)));
    }
  }
}

template <class Bytes>
inline Bytes MinOfBlock(const Bytes (&sum)[kVectors]) {
  return Min(Min(sum[0], sum[1]), Min(sum[2], sum[3]));
}

template <class Bytes, bool kAnyUnknown, int kTables>
int64_t SelectLoop(const Filter& filter, const uint8_t* codes, int64_t count, uint8_t largest,
                   uint32_t* windows) {
  const Bytes limit = Bytes::Set(largest);
  int64_t found = 0;
  for (int64_t first = 0; first < count; first += kBlock<Bytes>) {
    Bytes sum[kVectors];
    SumBlock<Bytes, kAnyUnknown, kTables>(filter, codes + first, sum);
    if (AtMost(MinOfBlock(sum), limit) == 0) continue;
    for (int v = 0; v < kVectors; ++v) {
      const int64_t origin = first + v * Bytes::kLanes;
      for (uint64_t passed = AtMost(sum[v], limit); passed != 0; passed &= passed - 1) {
        const int64_t window = origin + __builtin_ctzll(passed);
        if (window < count) windows[found++] = static_cast<uint32_t>(window);
      }
    }
  }
  return found;
}

// Saturated from lane kBlock on: added at kBlock - n, it leaves the first n lanes of a block.
template <class Bytes>
struct Behind {
  constexpr Behind() : lanes() {
    for (int i = kBlock<Bytes>; i < 2 * kBlock<Bytes>; ++i) lanes[i] = kSaturated;
  }
  uint8_t lanes[2 * kBlock<Bytes>];
};
template <class Bytes>
constexpr Behind<Bytes> kBehind;

template <class Bytes, bool kAnyUnknown>
uint8_t LowestLoop(const Filter& filter, const uint8_t* codes, int64_t count) {
  Bytes lowest = Bytes::Set(kSaturated);
  for (int64_t first = 0; first < count; first += kBlock<Bytes>) {
    Bytes sum[kVectors];
    SumBlock<Bytes, kAnyUnknown, kAnyNumber>(filter, codes + first, sum);
    if (first + kBlock<Bytes> > count) {
      const uint8_t* behind = kBehind<Bytes>.lanes + kBlock<Bytes> - (count - first);
      for (int v = 0; v < kVectors; ++v) {
        sum[v] = AddSaturated(sum[v], Bytes::Load(behind + v * Bytes::kLanes));
      }
    }
    lowest = Min(lowest, MinOfBlock(sum));
  }
  uint8_t lanes[Bytes::kLanes];
  lowest.Store(lanes);
  uint8_t lowest_lane = kSaturated;
  for (const uint8_t lane : lanes) lowest_lane = lane < lowest_lane ? lane : lowest_lane;
  return lowest_lane;
}

// Few tables stay in registers where their number is known beforehand: a fifth faster.
template <class Bytes, bool kAnyUnknown>
int64_t SelectByTables(const Filter& filter, const uint8_t* codes, int64_t count, uint8_t largest,
                       uint32_t* windows) {
  switch (filter.table_count) {
    case 1:
      return SelectLoop<Bytes, kAnyUnknown, 1>(filter, codes, count, largest, windows);
    case 2:
      return SelectLoop<Bytes, kAnyUnknown, 2>(filter, codes, count, largest, windows);
    case 3:
      return SelectLoop<Bytes, kAnyUnknown, 3>(filter, codes, count, largest, windows);
    case 4:
      return SelectLoop<Bytes, kAnyUnknown, 4>(filter, codes, count, largest, windows);
    case 5:
      return SelectLoop<Bytes, kAnyUnknown, 5>(filter, codes, count, largest, windows);
    default:
      return SelectLoop<Bytes, kAnyUnknown, kAnyNumber>(filter, codes, count, largest, windows);
  }
}

template <class Bytes>
int64_t Select(const Filter& filter, const uint8_t* codes, int64_t count, bool any_unknown,
               uint8_t largest, uint32_t* windows) {
  static_assert(kBlock<Bytes> <= kReadAhead);
  return any_unknown ? SelectByTables<Bytes, true>(filter, codes, count, largest, windows)
                     : SelectByTables<Bytes, false>(filter, codes, count, largest, windows);
}

template <class Bytes>
uint8_t Lowest(const Filter& filter, const uint8_t* codes, int64_t count, bool any_unknown) {
  return any_unknown ? LowestLoop<Bytes, true>(filter, codes, count)
                     : LowestLoop<Bytes, false>(filter, codes, count);
}

}  // namespace
}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_FILTER_LOOP_H_
