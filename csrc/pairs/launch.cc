#include "pairs/launch.h"

#include <algorithm>

#include "common/cache_line.h"
#include "occupancy/slices.h"
#include "simd/denormals.h"

namespace cisreg::pairs {
namespace {

// Rough cycles for the scheduler: of one window of one block, of one window of one tap of a pair,
// and of a table.
constexpr int64_t kForwardCycles = 16;
constexpr int64_t kBackwardCycles = 50;
constexpr double kForwardTapCycles = 0.25;
constexpr double kBackwardTapCycles = 0.75;
constexpr int64_t kTableCycles = 20000;

}  // namespace

Launch::Launch(const OccupancyKernels& kernels, const OccupancyShape& shape, const Inputs& inputs,
               bool backward)
    : occupancy_kernels_(kernels),
      kernels_(KernelsOf(kernels)),
      backward_(backward),
      motifs_(MakeMotifLayout(shape, inputs.scan)),
      pairs_(MakePairLayout(shape, inputs, motifs_)) {
  std::fill(std::begin(used_rows_), std::end(used_rows_), 1);
  job_ = {};
  job_.scan = MakeScanJob(shape, inputs.scan, motifs_, used_rows_, backward);
  job_.layout = &pairs_;
  job_.pair_count = inputs.pair_count;
  job_.knot_count = inputs.knot_count;
  job_.chunks = MakeChunkPlan(shape, job_.scan.plan, pairs_, PartialsOfSlice().total());
}

SlicePartials Launch::PartialsOfSlice() const {
  return FindPartials(job_.scan.shape, job_.scan.plan.block_count, job_.effect_floats());
}

Launch::Parts Launch::FindParts(const Executor& executor) const {
  Parts parts = {};
  parts.tables = RoundToLine(motifs_.table_offset.back() * sizeof(float));
  parts.divisions = RoundToLine(job_.scan.plan.block_count * sizeof(int32_t));
  parts.scratch = executor.worker_count * RoundToLine(kernels_.scratch_bytes(job_, backward_));
  if (backward_) parts.partials = job_.chunks.slices * PartialsOfSlice().total() * sizeof(float);
  return parts;
}

size_t Launch::Workspace(const Executor& executor) const {
  const Parts parts = FindParts(executor);
  return parts.tables + parts.divisions + parts.scratch + parts.partials;
}

char* Launch::TakeWorkspace(const Executor& executor, char* workspace) {
  const Parts parts = FindParts(executor);
  job_.scan.tables = reinterpret_cast<float*>(workspace);
  workspace += parts.tables;
  job_.scan.sites_per_division = reinterpret_cast<int32_t*>(workspace);
  return workspace + parts.divisions;
}

void Launch::BuildTables(const Executor& executor) const {
  executor.parallel_for(job_.scan.plan.block_count, kTableCycles, [this](int64_t block, int) {
    const simd::FlushDenormals flush;
    occupancy_kernels_.build_table(job_.scan, block);
  });
}

// Of one of so many items.
int64_t Launch::CyclesOf(int64_t items) const {
  const int64_t of_scan =
      (backward_ ? kBackwardCycles : kForwardCycles) * job_.scan.plan.block_count;
  const double of_pairs = (backward_ ? kBackwardTapCycles : kForwardTapCycles) * kOrientations *
                          static_cast<double>(pairs_.effect.size());
  const int64_t windows = job_.scan.shape.sequence_count * job_.scan.shape.window_count;
  return (of_scan + static_cast<int64_t>(of_pairs)) * windows / std::max<int64_t>(1, items);
}

void Launch::Forward(const Executor& executor, char* workspace, float* score) {
  char* const memory = TakeWorkspace(executor, workspace);
  const size_t stride = FindParts(executor).scratch / executor.worker_count;
  BuildTables(executor);
  const int64_t chunks = job_.chunks.chunks;
  executor.parallel_for(chunks, CyclesOf(chunks), [&](int64_t chunk, int worker) {
    kernels_.forward_chunk(job_, chunk, memory + worker * stride, score);
  });
}

void Launch::Backward(const Executor& executor, char* workspace, const float* upstream,
                      const Gradients& gradients) {
  char* const memory = TakeWorkspace(executor, workspace);
  const size_t scratch = FindParts(executor).scratch;
  const size_t stride = scratch / executor.worker_count;
  float* const partials = reinterpret_cast<float*>(memory + scratch);
  BuildTables(executor);
  const int64_t slices = job_.chunks.slices;
  executor.parallel_for(slices, CyclesOf(slices), [&](int64_t slice, int worker) {
    kernels_.backward_slice(job_, slice, memory + worker * stride, upstream, partials);
  });
  executor.parallel_for(job_.scan.plan.block_count, kTableCycles, [&](int64_t block, int) {
    const simd::FlushDenormals flush;
    SumBlock(block, partials, gradients);
  });
  SumEffects(partials, gradients.effect);
}

void Launch::SumBlock(int64_t block, const float* partials, const Gradients& gradients) const {
  const OccupancyShape& shape = job_.scan.shape;
  const SlicePartials parts = PartialsOfSlice();
  const BlockSlices slices(job_.scan, block, job_.chunks.slices, parts.total());
  const float* from = partials + block * parts.of_block();
  for (int64_t row = 0; row < shape.width * kBases; ++row, from += kBlockMotifs) {
    slices.Sum(from, gradients.log_kd + row * shape.motif_count);
  }
  slices.Sum(from, gradients.log_concentration);
  slices.HoldColumns(gradients.log_kd);
}

void Launch::SumEffects(const float* partials, float* effect) const {
  const SlicePartials parts = PartialsOfSlice();
  std::fill(effect, effect + parts.effect, 0.0f);
  for (int64_t slice = 0; slice < job_.chunks.slices; ++slice) {
    const float* from = partials + slice * parts.total() + parts.of_blocks();
    for (int64_t i = 0; i < parts.effect; ++i) effect[i] += from[i];
  }
}

}  // namespace cisreg::pairs
