// The occupancy problem as plain numbers and pointers: what the kernels of every processor see.
//
// Nothing here knows TensorFlow; the op glue and the Python module fill these structs and launch.

#ifndef CISREG_CSRC_OCCUPANCY_PROBLEM_H_
#define CISREG_CSRC_OCCUPANCY_PROBLEM_H_

#include <cstdint>

#include "common/bases.h"

namespace cisreg {

enum class Reduction { kExpected, kLogUnbound };

// Number type for the computation of sites. Parameters, sums and results are always float32. The
// CPU kernels always use float32: with k-mer tables, narrower types are no faster
// (docs/measurements/ideas.md has the measurement).
enum class ComputeType { kFloat32, kBfloat16, kFloat16 };

struct OccupancyShape {
  int64_t sequence_count;
  int64_t length;
  int64_t width;
  int64_t motif_count;
  int64_t window_count;
  // Position in the sequence of window 0's first base; negative under "same" padding.
  int64_t first_start;
};

// Windows as tf.nn.conv1d places them: "same" has one per base, "valid" only whole ones.
inline OccupancyShape MakeOccupancyShape(int64_t sequence_count, int64_t length, int64_t width,
                                         int64_t motif_count, bool same_padding) {
  OccupancyShape shape;
  shape.sequence_count = sequence_count;
  shape.length = length;
  shape.width = width;
  shape.motif_count = motif_count;
  shape.window_count = same_padding ? length : length - width + 1;
  shape.first_start = same_padding ? -((width - 1) / 2) : 0;
  return shape;
}

struct OccupancyInputs {
  ComputeType compute_type;
  // K: sets of position weights, each with weighted sums of its own. 0: none are asked for.
  int64_t weight_sets = 0;
  // C, at least 1: conditions. They differ in the concentrations alone, so that one scan serves
  // all: the odds of a site in two conditions differ by a factor of the motif.
  int64_t condition_count = 1;
  const uint8_t* sequence;  // [N, L]
  const float* log_kd;      // [W, 4, M], nats
  // [C, M], nats; minus infinity: the motif binds nowhere in this condition.
  const float* log_concentration;
  const float* position_weight;  // [K, 2, P, M], or unused
  // [2, M]: first column of each motif and the one behind its last; all other columns are held at
  // zero, neither read nor trained. Null: all columns are the motif's.
  const int32_t* column_range;
  // Begin and end of bases, one pair for all sequences or one for each; see span_stride. A window
  // counts for a motif if at least one of the motif's own columns lies on one of these bases. All
  // other windows are left out. Null: every window counts.
  const int32_t* span;
  // Numbers from one sequence's pair to the next one's: 0 or 2.
  int64_t span_stride;
  // [N], each from 0 to L: a row's sequence is its first `length` bases. Bases behind them are
  // unknown whatever their codes and on no span, and windows that a sequence of this length alone
  // would not have do not exist. Null: every row has L bases.
  const int32_t* length;
  // [N], each from 0 to C - 1: the one condition of each sequence, whose sums then have no axis of
  // conditions. Null: every sequence has sums in every condition.
  const int32_t* condition;

  // Whether weighted sums are asked for.
  bool weighted() const { return weight_sets > 0; }
  // Whether one scan serves several sums of occupancies, each weighted in its own way.
  bool several() const { return weight_sets > 1 || condition_count > 1; }
  // C': conditions in which each sequence has sums.
  int64_t summed_conditions() const { return condition == nullptr ? condition_count : 1; }
};

// The bases [begin, end) of a sequence that make windows count; none where begin >= end.
struct Span {
  int64_t begin;
  int64_t end;
};

// The whole problem.
struct OccupancyProblem {
  OccupancyShape shape;
  OccupancyInputs inputs;
  Reduction reduction;
};

// C' is C where every sequence has sums in every condition, and 1 where `condition` gives it one.
struct OccupancyOutputs {
  float* bound;     // [N, C', 2, M]
  float* weighted;  // [N, C', K, 2, M], or unused
};

// Gradients of a loss with respect to the outputs above.
struct OccupancyUpstream {
  const float* bound;     // [N, C', 2, M]
  const float* weighted;  // [N, C', K, 2, M], or unused
};

struct OccupancyGradients {
  float* log_kd;             // [W, 4, M]
  float* log_concentration;  // [C, M]
  float* position_weight;    // [K, 2, P, M], or unused
};

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_PROBLEM_H_
