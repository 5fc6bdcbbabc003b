// Which bases the sites of a block cover, and how the sequences are cut into chunks.
//
// A chunk is a few neighbouring sequences, whose sums of odds stay in the cache between the two
// scans; its places are those of its sequences one after the other. The places of a sequence are
// its bases and those outside of it that footprints reach. The cut depends on the problem alone,
// not on the number of threads.

#ifndef CISREG_CSRC_EXCLUSIVE_LAYOUT_H_
#define CISREG_CSRC_EXCLUSIVE_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "exclusive/problem.h"
#include "occupancy/plan.h"

namespace cisreg::exclusive {

// Sites that a vector can hold, on any processor.
inline constexpr int kMostLanes = 16;

// Sites of one vector of a block that cover equally many bases and begin equally far from their
// window.
struct SiteGroup {
  int32_t offset;          // place of the first base that a site of window 0 covers
  int32_t width_index;     // of the number of bases
  float live[kMostLanes];  // 1 for the sites of this group, else 0
  int32_t site_count;
  uint8_t sites[kMostLanes];  // of the block; the first `site_count`
};

// What has the same odds wherever it lies within a sequence.
struct Competitor {
  int32_t width;
  int32_t width_index;
  float odds;
};

struct FootprintLayout {
  // Distinct numbers of bases that a site or a competitor covers, ascending.
  std::vector<int32_t> widths;
  int64_t reach;       // places that the sites of one window reach, together
  int64_t first_base;  // place of a sequence's first base
  std::vector<Competitor> competitors;
  std::vector<SiteGroup> groups;    // of all vectors of all blocks, one after the other
  std::vector<int64_t> part_group;  // [block_count * vectors + 1], the first group of each vector
};

// Sites of absent motifs, and of motifs that only fill up the last block, are in no group. `lanes`:
// sites in a vector.
FootprintLayout MakeFootprintLayout(const OccupancyShape& shape, const Inputs& inputs,
                                    const MotifLayout& motifs, int lanes);

// Places of a sequence: none if nothing can be bound to it.
int64_t PlaceCount(const OccupancyShape& shape, const OccupancyInputs& inputs,
                   const FootprintLayout& layout, int64_t sequence);

struct ChunkPlan {
  std::vector<int64_t> first_sequence;  // [chunks + 1]
  std::vector<int64_t> first_chunk;     // [slices + 1]; a slice has gradients of its own
  int64_t most_places;                  // of a chunk
  int64_t most_sequences;               // of a chunk
  int64_t most_places_of_one;           // of a sequence
  int64_t place_count;                  // of all sequences together

  int64_t chunk_count() const { return static_cast<int64_t>(first_sequence.size()) - 1; }
  int64_t slice_count() const { return static_cast<int64_t>(first_chunk.size()) - 1; }
};

// `partial_floats`: numbers that the gradients of one slice take.
ChunkPlan MakeChunkPlan(const OccupancyShape& shape, const OccupancyInputs& inputs,
                        const FootprintLayout& layout, int64_t partial_floats);

}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_LAYOUT_H_
