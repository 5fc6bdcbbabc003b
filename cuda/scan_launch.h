// What launchers of scans share: limits of sizes, memory of the prepared motifs and of the
// gradient's parts.

#ifndef CISREG_CUDA_SCAN_LAUNCH_H_
#define CISREG_CUDA_SCAN_LAUNCH_H_

#include <cstdint>
#include <string>

#include "arena.h"
#include "backward.cuh"
#include "launch.h"
#include "prepare.cuh"

namespace cisreg::gpu {

inline constexpr int kOldestCapability = 75;
// With these, the places of all tiles' energies fit into 32 bits, as the gradient kernel counts
// them, and sort keys into 64.
inline constexpr int64_t kMostMotifs = 4 * int64_t{65535};
inline constexpr int64_t kMostWidth = 4096;
static_assert((kStrands * ((kMostMotifs - 1) / kTileMotifs + 1) - 1) *
                  (kMostWidth / kStepColumns * 2 * kWarp) <
              int64_t{1} << 31);
static_assert(kMostMotifs <= int64_t{1} << kMotifBits && kMostWidth < int64_t{1} << kColumnBits);

inline std::string Number(int64_t number) { return std::to_string(number); }

inline GpuError CheckSizes(const GpuDevice& device, const OccupancyShape& shape) {
  if (device.compute_capability < kOldestCapability) {
    return "GPU: expected compute capability 7.5 or later, got " +
           Number(device.compute_capability / 10) + "." + Number(device.compute_capability % 10) +
           "; place the operation on the CPU";
  }
  if (shape.motif_count > kMostMotifs || shape.width > kMostWidth) {
    return "log_kd: the GPU kernels expect at most " + Number(kMostMotifs) + " motifs of " +
           Number(kMostWidth) + " columns, got " + Number(shape.motif_count) + " of " +
           Number(shape.width) + "; place the operation on the CPU";
  }
  return {};
}

inline GpuError TooWide(const OccupancyShape& shape, const GpuDevice& device) {
  return "log_kd: motifs of W = " + Number(shape.width) + " columns do not fit into the " +
         Number(device.shared_memory_per_block) +
         " bytes of shared memory of this GPU; use narrower motifs or place the operation on the "
         "CPU";
}

inline ScanShape ScanShapeOf(const OccupancyShape& shape, const OccupancyInputs& inputs) {
  return {shape.sequence_count,
          shape.length,
          shape.window_count,
          shape.first_start,
          static_cast<int32_t>(shape.width),
          inputs.length,
          {static_cast<int32_t>(inputs.condition_count), inputs.condition}};
}

// Takes memory for all of the prepared motifs that every launch needs.
inline PreparedMotifs LayOutMotifs(const OccupancyShape& shape, const OccupancyInputs& inputs,
                                   Arena* arena, uint64_t** sort_keys) {
  PreparedMotifs motifs = {};
  const int64_t groups = (shape.motif_count + kTileMotifs - 1) / kTileMotifs;
  motifs.motif_count = static_cast<int32_t>(shape.motif_count);
  motifs.tile_count = static_cast<int32_t>(kStrands * groups);
  motifs.step_count =
      static_cast<int32_t>((shape.width + kChunkColumns - 1) / kChunkColumns * kChunkSteps);
  motifs.term_count = inputs.compute_type == ComputeType::kFloat32 ? 2 : 1;
  motifs.weight_sets = static_cast<int32_t>(inputs.weight_sets);
  const int64_t tiles = motifs.tile_count;
  motifs.motif = arena->Take<MotifColumns>(shape.motif_count);
  motifs.motif_at = arena->Take<int32_t>(groups * kTileMotifs);
  *sort_keys = arena->Take<uint64_t>(2 * shape.motif_count);
  motifs.columns = arena->Take<TileColumns>(tiles);
  motifs.offset = arena->Take<float>(tiles * kTileMotifs);
  motifs.energies = arena->Take<uint4>(tiles * motifs.TileUint4s());
  motifs.sites = arena->Take<SiteColumns>(tiles * kTileMotifs);
  if (inputs.weighted()) {
    motifs.weight = arena->Take<float>(WeightCount(motifs, ScanShapeOf(shape, inputs)));
  }
  return motifs;
}

// Memory for what the gradient kernel writes.
inline GradientParts LayOutParts(const BackwardSplit& split, const PreparedMotifs& motifs,
                                 Arena* arena) {
  const int64_t part_tiles = split.part_count() * split.block_tiles();
  GradientParts parts = {};
  parts.log_kd = arena->Take<float>(part_tiles * split.column_chunks * kTileSums * kWarp);
  parts.log_concentration = arena->Take<float>(part_tiles * kTileMotifs);
  if (motifs.weight_sets > 0) {
    parts.weight = arena->Take<float>(split.weight_part_count() * split.block_tiles() *
                                      motifs.weight_sets * split.strip_windows() * kTileMotifs);
  }
  return parts;
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_SCAN_LAUNCH_H_
