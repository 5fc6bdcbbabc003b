// What the kernels of one launch share: the prepared motifs and the layout of memory.

#ifndef CISREG_CUDA_LAYOUT_H_
#define CISREG_CUDA_LAYOUT_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "occupancy/problem.h"
#include "tiles.h"

namespace cisreg::gpu {

// Columns and odds of one motif in its own order, before motifs are sorted by width.
struct MotifColumns {
  int32_t scan_first, scan_end;    // columns that are not zero
  int32_t train_first, train_end;  // columns that have a gradient
  float strongest;                 // log2 odds of its strongest site
};

// Of the 8 motifs of a tile together, on the tile's strand.
struct TileColumns {
  int32_t scan_first, scan_end;    // in steps of 8 columns
  int32_t train_first, train_end;  // in steps of 4 columns
  int32_t shares_division;         // all sites are weak enough for that
};

// Where in the window the columns of a site lie: mirrored on the reverse strand.
struct SiteColumns {
  int32_t first, end;
};

// Tile 2 i + s holds the 8 motifs of places 8 i to 8 i + 7 on strand s. Motifs are sorted by width,
// so that narrow ones share tiles and their cost follows their width.
struct PreparedMotifs {
  int32_t motif_count;
  int32_t tile_count;
  int32_t step_count;    // of 8 columns, a multiple of kChunkSteps
  int32_t term_count;    // 2: energies are the sum of two float16; 1: of one
  MotifColumns* motif;   // [M]
  int32_t* motif_at;     // [4 tile_count], motif of each place, -1 behind the last
  TileColumns* columns;  // [tile_count]
  float* offset;         // [tile_count, 8], log2 of the largest concentration of all conditions
  // [C, tile_count, 8]: a condition's concentration as a part of the largest where the tile's sites
  // share divisions, else the log2 of it; null where concentrations do not differ.
  float* relative;
  uint4* energies;      // [tile_count, step_count, term_count, 32 lanes], log2 of 1 / Kd
  int32_t weight_sets;  // K; 0: there are no position weights
  float* weight;        // [tile_count, K, P, 8], or null
  SiteColumns* sites;   // [tile_count, 8]
  // float16 gradients only (capability 7.5): powers of two that bring slopes into range.
  float* scale;  // [tile_count, 8], or null

  __host__ __device__ int64_t TileUint4s() const {
    return static_cast<int64_t>(step_count) * term_count * kWarp;
  }
};

// Begin and end of the bases that make windows count, or null where all windows do.
struct SpanInput {
  const int32_t* edges;
  int64_t stride;  // 2: each sequence has its own; 0: all have the same
};

// C conditions, which differ in the concentrations of the factors.
struct ConditionInput {
  int32_t count;       // C
  const int32_t* own;  // [N]: each sequence has one of them; null: each has all

  // Conditions of a sequence.
  __host__ __device__ int32_t Each() const { return own != nullptr ? 1 : count; }
  __host__ __device__ bool Differ() const { return own != nullptr || count > 1; }
};

struct ScanShape {
  int64_t sequence_count;
  int64_t length;
  int64_t window_count;
  int64_t first_start;
  int32_t width;
  const int32_t* own_length;  // [N], or null: all sequences have `length` bases
  ConditionInput conditions;
};

// What lies in PreparedMotifs::weight.
__host__ __device__ inline int64_t WeightCount(const PreparedMotifs& motifs,
                                               const ScanShape& shape) {
  return static_cast<int64_t>(motifs.tile_count) * motifs.weight_sets * shape.window_count *
         kTileMotifs;
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_LAYOUT_H_
