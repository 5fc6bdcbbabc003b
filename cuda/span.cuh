// Which sites count where there is a span: those whose own columns lie on one of its bases.
//
// The scan is the same as without a span. Then the log odds of sites that do not count are replaced
// by those of a site that is never bound.

#ifndef CISREG_CUDA_SPAN_CUH_
#define CISREG_CUDA_SPAN_CUH_

#include "length.cuh"
#include "scan.cuh"

namespace cisreg::gpu {

// Farther than any window of a strip reaches.
inline constexpr int kFarBase = 1 << 22;
// Columns of a motif that has none: they begin after every base and end before it.
inline constexpr SiteColumns kNoColumns = {4 * kFarBase, -4 * kFarBase};

// Bases [begin, end) of a span, counted from the first base of a strip's first window. Values are
// not checked on a device, so a span is clipped to the sequence.
struct SpanBases {
  int begin, end;

  // Whether a window of `rows` from `row` on may count: one that `width` columns belong to.
  __device__ __forceinline__ bool Reaches(int row, int rows, int width) const {
    return row + rows + width - 1 > begin && row < end;
  }
};

__device__ __forceinline__ int FromStrip(int64_t base, int64_t start) {
  return static_cast<int>(
      max(min(base - start, static_cast<int64_t>(kFarBase)), static_cast<int64_t>(-kFarBase)));
}

__device__ __forceinline__ SpanBases FindSpan(const SpanInput& span, const ScanShape& shape,
                                              int64_t sequence, int64_t first_window) {
  const int32_t* const own = span.edges + sequence * span.stride;
  const int64_t begin = max(own[0], 0),
                end = min(static_cast<int64_t>(own[1]), OwnLength(shape, sequence));
  if (begin >= end) return {kFarBase, -kFarBase};
  const int64_t start = shape.first_start + first_window;
  return {FromStrip(begin, start), FromStrip(end, start)};
}

// Marks rows whose window does not count for the lane's two motifs, whose columns these are.
template <int RowTiles>
__device__ __forceinline__ void MaskSites(float (&log_odds)[RowTiles][4],
                                          const SiteColumns* columns, const SpanBases& span,
                                          int lane) {
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int row = lane >> 2;
    // The lane's rows 8 k + row that count are those of first <= k < end.
    const int first = (span.begin - columns[h].end + 1 - row + 7) >> 3;
    const int end = (span.end - columns[h].first - row + 7) >> 3;
#pragma unroll
    for (int k = 0; k < 2 * RowTiles; ++k) {
      if (k < first || k >= end) log_odds[k % RowTiles][2 * (k / RowTiles) + h] = kNoSite;
    }
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_SPAN_CUH_
