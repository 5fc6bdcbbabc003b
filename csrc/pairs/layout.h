// How the effects of pairs are computed, and how the sequences are cut into chunks.
//
// What the sites near a window do to a site there is a sum of taps: each adds a number times the
// occupancy at another window, a fixed number of windows away. One tap for each distance is
// always right. Where knots lie further apart than a window, there are fewer knots than distances:
// occupancies are first widened, which spreads each site over the windows within reach of a knot
// there, and one tap for each knot reads the widened ones. A pair of a factor with itself has a tap
// for each distance, so that the distance 0 is left out exactly.
//
// The cut depends on the problem alone, not on the number of threads.

#ifndef CISREG_CSRC_PAIRS_LAYOUT_H_
#define CISREG_CSRC_PAIRS_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "occupancy/plan.h"
#include "pairs/problem.h"

namespace cisreg::pairs {

// Of any vector: what is a multiple of it can be passed by whole vectors.
inline constexpr int64_t kMostLanes = 16;

struct Tap {
  int32_t place;  // windows from the first site to the second
  // The knots that it lies between, and its share of them. None: a share of 0.
  int32_t knot[2];
  float share[2];
};

// Occupancies of a site of a block, a row of them, with zeros around them; as they are or widened.
struct Source {
  int64_t row;
  bool is_wide;
};

struct Pair {
  int64_t number;  // among all Q
  int64_t first_row[kStrands];
  int64_t second_row[kStrands];
  int64_t first_source[kStrands];
  int64_t second_source[kStrands];
  bool itself;        // both are the same motif
  bool by_knot;       // else by distance
  float weight;       // of its effects
  int64_t effect_at;  // in PairLayout::effect
};

struct PairLayout {
  // Pairs without an absent motif.
  std::vector<Pair> pairs;
  std::vector<Source> sources;
  std::vector<Tap> by_knot;
  std::vector<Tap> by_distance;
  std::vector<int32_t> knot_place, distance_place;  // of these taps
  std::vector<float> effect;                        // of each pair and orientation, by tap
  int64_t spacing;                                  // windows from knot to knot
  std::vector<float> share;  // [spacing], of a knot in a site so many windows away
  int64_t margin;            // zeros on both sides of a source, at least as far as any tap
  int64_t site_margin;       // and of the sites that are widened
  int64_t source_stride;     // floats of a source

  const std::vector<Tap>& taps(const Pair& pair) const {
    return pair.by_knot ? by_knot : by_distance;
  }
  const std::vector<int32_t>& places(const Pair& pair) const {
    return pair.by_knot ? knot_place : distance_place;
  }
};

PairLayout MakePairLayout(const OccupancyShape& shape, const Inputs& inputs,
                          const MotifLayout& motifs);

// A chunk is a few neighbouring sequences, whose sites stay in the cache; a slice is a few
// neighbouring chunks, which have gradients of their own.
struct ChunkPlan {
  int64_t sequences;  // of each chunk but the last one
  int64_t chunks;
  int64_t slices;
  // There is a row for each site of each block, one sequence after the other.
  int64_t lead;        // zeros before the first sequence
  int64_t pitch;       // floats from one sequence to the next: its windows, and zeros
  int64_t row_stride;  // floats from row to row

  int64_t first_chunk(int64_t slice) const { return chunks * slice / slices; }
};

// `partial_floats`: numbers that the gradients of one slice take.
ChunkPlan MakeChunkPlan(const OccupancyShape& shape, const OccupancyPlan& plan,
                        const PairLayout& layout, int64_t partial_floats);

}  // namespace cisreg::pairs

#endif  // CISREG_CSRC_PAIRS_LAYOUT_H_
