// Which windows a sequence has: those of its own bases, or those that reach into its span.
//
// Everything here has internal linkage, as in tile.h.

#ifndef CISREG_CSRC_OCCUPANCY_WINDOWS_H_
#define CISREG_CSRC_OCCUPANCY_WINDOWS_H_

#include <cstdint>

#include "occupancy/problem.h"

namespace cisreg {
namespace {

// Bases of a sequence, without the padding behind it.
inline int64_t SequenceLength(const OccupancyShape& shape, const OccupancyInputs& inputs,
                              int64_t sequence) {
  return inputs.length == nullptr ? shape.length : inputs.length[sequence];
}

// The bases of a sequence that make its windows count.
inline Span FindSpan(const OccupancyShape& shape, const OccupancyInputs& inputs, int64_t sequence) {
  const int32_t* span = inputs.span + sequence * inputs.span_stride;
  const int64_t length = SequenceLength(shape, inputs, sequence);
  return {span[0], span[1] < length ? span[1] : length};
}

struct WindowRange {
  int64_t first;
  int64_t end;
};

// The windows that a sequence has; where there is a span, those that overlap one of its bases.
// None: an empty range.
inline WindowRange FindWindows(const OccupancyShape& shape, const OccupancyInputs& inputs,
                               int64_t sequence) {
  // As many fewer windows as bases.
  const int64_t missing = shape.length - SequenceLength(shape, inputs, sequence);
  WindowRange windows = {0, shape.window_count - missing};
  if (inputs.span != nullptr) {
    const Span span = FindSpan(shape, inputs, sequence);
    if (span.begin >= span.end) return {0, 0};
    const int64_t first = span.begin - shape.first_start - shape.width + 1;
    const int64_t end = span.end - shape.first_start;
    if (first > 0) windows.first = first;
    if (end < windows.end) windows.end = end;
  }
  if (windows.first >= windows.end) return {0, 0};
  return windows;
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_WINDOWS_H_
