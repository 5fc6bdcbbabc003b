#include "exclusive/launch.h"

#include <algorithm>

#include "common/cache_line.h"
#include "occupancy/slices.h"
#include "simd/denormals.h"

namespace cisreg::exclusive {
namespace {

// Rough cycles for the scheduler: of one window of one block in both scans, and of a table.
constexpr int64_t kForwardCycles = 20;
constexpr int64_t kBackwardCycles = 50;
constexpr int64_t kTableCycles = 20000;

}  // namespace

Launch::Launch(const OccupancyKernels& kernels, const OccupancyShape& shape, const Inputs& inputs,
               bool backward)
    : occupancy_kernels_(kernels),
      kernels_(KernelsOf(kernels)),
      backward_(backward),
      motifs_(MakeMotifLayout(shape, inputs.scan)),
      footprints_(MakeFootprintLayout(shape, inputs, motifs_, kernels_.lanes)) {
  const int64_t blocks = static_cast<int64_t>(motifs_.block_scanned.size());
  const bool weighted = inputs.position_weight != nullptr;
  chunks_ = MakeChunkPlan(shape, inputs.scan, footprints_,
                          blocks * FindPartials(shape, weighted).total());
  std::fill(std::begin(used_rows_), std::end(used_rows_), 1);
  job_ = {};
  job_.scan = MakeScanJob(shape, inputs.scan, motifs_, used_rows_, backward);
  job_.footprints = &footprints_;
  job_.widths = footprints_.widths.data();
  job_.width_count = static_cast<int64_t>(footprints_.widths.size());
  job_.groups = footprints_.groups.data();
  job_.part_group = footprints_.part_group.data();
  job_.chunks = &chunks_;
  job_.position_weight = inputs.position_weight;
}

Launch::Parts Launch::FindParts(const Executor& executor) const {
  const int64_t blocks = job_.scan.plan.block_count;
  Parts parts = {};
  parts.tables = RoundToLine(motifs_.table_offset.back() * sizeof(float));
  parts.divisions = RoundToLine(blocks * sizeof(int32_t));
  if (job_.weighted()) {
    parts.weights =
        RoundToLine(blocks * job_.scan.shape.window_count * kBlockSites * sizeof(float));
  }
  parts.scratch = executor.worker_count * RoundToLine(kernels_.scratch_bytes(job_, backward_));
  if (backward_) {
    const int64_t of_blocks = blocks * FindPartials(job_.scan.shape, job_.weighted()).total();
    parts.partials = chunks_.slice_count() * (of_blocks + job_.competitor_count()) * sizeof(float);
  }
  return parts;
}

size_t Launch::Workspace(const Executor& executor) const {
  const Parts parts = FindParts(executor);
  return parts.tables + parts.divisions + parts.weights + parts.scratch + parts.partials;
}

char* Launch::TakeWorkspace(const Executor& executor, char* workspace) {
  const Parts parts = FindParts(executor);
  job_.scan.tables = reinterpret_cast<float*>(workspace);
  workspace += parts.tables;
  job_.scan.sites_per_division = reinterpret_cast<int32_t*>(workspace);
  workspace += parts.divisions;
  job_.block_weight = reinterpret_cast<float*>(workspace);
  return workspace + parts.weights;
}

void Launch::BuildTables(const Executor& executor) const {
  executor.parallel_for(job_.scan.plan.block_count, kTableCycles, [this](int64_t block, int) {
    const simd::FlushDenormals flush;
    occupancy_kernels_.build_table(job_.scan, block);
    kernels_.build_weights(job_, block);
  });
}

// Of one of so many items.
int64_t Launch::CyclesOf(int64_t items) const {
  const int64_t cycles = backward_ ? kBackwardCycles : kForwardCycles;
  return cycles * chunks_.place_count * job_.scan.plan.block_count / std::max<int64_t>(1, items);
}

void Launch::Forward(const Executor& executor, char* workspace, const Outputs& outputs) {
  char* const memory = TakeWorkspace(executor, workspace);
  const size_t stride = FindParts(executor).scratch / executor.worker_count;
  BuildTables(executor);
  const int64_t chunks = chunks_.chunk_count();
  executor.parallel_for(chunks, CyclesOf(chunks), [&](int64_t chunk, int worker) {
    kernels_.forward_chunk(job_, chunk, memory + worker * stride, outputs);
  });
}

void Launch::Backward(const Executor& executor, char* workspace, const Upstream& upstream,
                      const Gradients& gradients) {
  char* const memory = TakeWorkspace(executor, workspace);
  const size_t scratch = FindParts(executor).scratch;
  const size_t stride = scratch / executor.worker_count;
  float* const partials = reinterpret_cast<float*>(memory + scratch);
  BuildTables(executor);
  const int64_t slices = chunks_.slice_count();
  executor.parallel_for(slices, CyclesOf(slices), [&](int64_t slice, int worker) {
    kernels_.backward_slice(job_, slice, memory + worker * stride, upstream, partials);
  });
  executor.parallel_for(job_.scan.plan.block_count, kTableCycles, [&](int64_t block, int) {
    const simd::FlushDenormals flush;
    SumPartials(block, partials, gradients);
  });
  const int64_t competitors = job_.competitor_count();
  const int64_t of_blocks =
      job_.scan.plan.block_count * FindPartials(job_.scan.shape, job_.weighted()).total();
  for (int64_t i = 0; i < competitors; ++i) {
    const float* from = partials + slices * of_blocks + i;
    float sum = 0.0f;
    for (int64_t slice = 0; slice < slices; ++slice) sum += from[slice * competitors];
    gradients.competitors[i] = sum;
  }
}

void Launch::SumPartials(int64_t block, const float* partials, const Gradients& gradients) const {
  const OccupancyShape& shape = job_.scan.shape;
  const SlicePartials layout = FindPartials(shape, job_.weighted());
  const int64_t stride = job_.scan.plan.block_count * layout.total();
  const BlockSlices slices(job_.scan, block, chunks_.slice_count(), stride);
  const float* from = partials + block * layout.total();
  for (int64_t row = 0; row < shape.width * kBases; ++row, from += kBlockMotifs) {
    slices.Sum(from, gradients.log_kd + row * shape.motif_count);
  }
  slices.Sum(from, gradients.log_concentration);
  from += kBlockMotifs;
  for (int64_t window = 0; window < layout.position_weight / kBlockSites; ++window) {
    for (int64_t strand = 0; strand < kStrands; ++strand, from += kBlockMotifs) {
      const int64_t row = strand * shape.window_count + window;
      slices.Sum(from, gradients.position_weight + row * shape.motif_count);
    }
  }
  slices.HoldColumns(gradients.log_kd);
}

}  // namespace cisreg::exclusive
