// Which windows count where there is a span: for which of a block's sites, and how they are passed.
//
// The windows that count for a site are neighbours. Those of a block's sites begin and end at
// different windows where the motifs' columns do: in the middle all sites count and nothing is
// masked, at both edges sites that do not count are multiplied by zero, and beyond is not scanned.

#ifndef CISREG_CSRC_OCCUPANCY_COUNTED_H_
#define CISREG_CSRC_OCCUPANCY_COUNTED_H_

#include "occupancy/kernels.h"
#include "occupancy/tile.h"

namespace cisreg {
namespace {

// Windows of a segment, counted from its first: outside [first, end) no site of a block counts,
// within [all_first, all_end) every one does.
struct CountedWindows {
  int64_t first, all_first;
  int64_t all_end, end;
};

// Bases of a span, counted from the first base of the segment's first window.
inline Span SpanOfSegment(const OccupancyJob& job, const Segment& segment) {
  const Span span = FindSpan(job.shape, job.inputs, segment.sequence);
  const int64_t start = job.shape.first_start + segment.first_window;
  return {span.begin - start, span.end - start};
}

inline int64_t Clamp(int64_t x, int64_t least, int64_t most) {
  return x < least ? least : (x > most ? most : x);
}

template <bool kSpanned>
CountedWindows FindCountedWindows(const OccupancyJob& job, int64_t block, const Segment& segment) {
  if (!kSpanned) return {0, 0, segment.windows, segment.windows};
  const SiteColumns& sites = job.block_sites[block];
  const Span span = SpanOfSegment(job, segment);
  if (span.begin >= span.end) return {0, 0, 0, 0};
  CountedWindows counted;
  counted.end = Clamp(span.end - sites.least_first, 0, segment.windows);
  counted.first = Clamp(span.begin - sites.most_end + 1, 0, counted.end);
  counted.all_end = Clamp(span.end - sites.most_first, counted.first, counted.end);
  counted.all_first = Clamp(span.begin - sites.least_end + 1, counted.first, counted.end);
  if (counted.all_first >= counted.all_end) counted.all_first = counted.all_end = counted.end;
  return counted;
}

// Which of the sites count: in those windows of the segment that are not below `first` and below
// `end`. The windows in flight are those from `window` on.
template <class V>
struct CountedSites {
  V first;
  V end;
  float window;

  // 1 where the site counts in window k of those in flight, else 0.
  V At(int k) const {
    const V at = V::Broadcast(window + static_cast<float>(k));
    const V one = V::Broadcast(1.0f);
    return Max(Min(Min(at - first + one, end - at), one), V::Broadcast(0.0f));
  }
  auto Part(int i) const {
    return CountedSites<typename V::Part>{first.part[i], end.part[i], window};
  }
};

template <class V>
CountedSites<V> FindCountedSites(const OccupancyJob& job, int64_t block, const Segment& segment) {
  const SiteColumns& sites = job.block_sites[block];
  const Span span = SpanOfSegment(job, segment);
  // Any position outside the segment means the same. Clamping keeps the numbers within int32.
  constexpr int64_t kFar = int64_t{1} << 29;
  const auto begin = static_cast<int32_t>(Clamp(span.begin, -kFar, kFar));
  const auto end = static_cast<int32_t>(Clamp(span.end, -kFar, kFar));
  const auto windows = static_cast<int32_t>(segment.windows);
  float first_window[kBlockSites], end_window[kBlockSites];
  for (int i = 0; i < kBlockSites; ++i) {
    const int32_t first = begin - sites.end[i] + 1, last = end - sites.first[i];
    first_window[i] = static_cast<float>(first < 0 ? 0 : (first > windows ? windows : first));
    end_window[i] = static_cast<float>(last < 0 ? 0 : (last > windows ? windows : last));
  }
  return {V::Load(first_window), V::Load(end_window), 0.0f};
}

// Which of the windows in flight are used: all; only the first few, at the end of a segment; or the
// first few, with the sites that do not count masked.
enum class Windows { kAll, kTail, kMasked };

template <Windows kOf>
struct WindowsOf {
  static constexpr Windows kKind = kOf;
};

// Calls take(WindowsOf<kind>, live, counted sites) for all windows of a segment or, where there is
// a span, for those that count, as many at a time as are in flight. Must be inlined with what it
// calls, so that sums stay in registers. Without a span it compiles to a plain loop.
template <class V, bool kSpanned, class Take>
__attribute__((always_inline)) inline void ForEachWindows(const OccupancyJob& job, int64_t block,
                                                          const Segment& segment,
                                                          const CountedWindows& counted,
                                                          const Take& take) {
  constexpr int kInFlight = V::kWindowsInFlight;
  CountedSites<V> sites = {};
  int64_t left = segment.windows;
  if constexpr (kSpanned) {
    if (counted.first < counted.all_first || counted.all_end < counted.end) {
      sites = FindCountedSites<V>(job, block, segment);
    }
    int64_t window = counted.first;
    const auto take_masked = [&](int64_t end) __attribute__((always_inline)) {
      for (; window < end; window += kInFlight) {
        left = counted.end - window;
        sites.window = static_cast<float>(window);
        take(WindowsOf<Windows::kMasked>(), static_cast<int>(left < kInFlight ? left : kInFlight),
             sites);
      }
    };
    take_masked(counted.all_first);
    for (; window + kInFlight <= counted.all_end; window += kInFlight) {
      take(WindowsOf<Windows::kAll>(), kInFlight, sites);
    }
    if (counted.all_end < counted.end) return take_masked(counted.end);
    left = counted.end - window;
  } else {
    for (; left >= kInFlight; left -= kInFlight) {
      take(WindowsOf<Windows::kAll>(), kInFlight, sites);
    }
  }
  if (left > 0) take(WindowsOf<Windows::kTail>(), static_cast<int>(left), sites);
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_COUNTED_H_
