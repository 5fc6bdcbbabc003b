#include "occupancy/launch.h"

#include <algorithm>

#include "simd/denormals.h"

namespace cisreg {
namespace {

// Rough cycles for the scheduler: of one window of one block, and of one number of a table.
constexpr int64_t kForwardCycles = 8;
constexpr int64_t kBackwardCycles = 24;
constexpr double kTableCycles = 0.5;

size_t RoundToLine(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Empty sums: sequences without a window.
void ClearOutputs(const OccupancyShape& shape, bool weighted, const OccupancyOutputs& outputs) {
  const int64_t count = shape.sequence_count * kStrands * shape.motif_count;
  std::fill_n(outputs.bound, count, 0.0f);
  if (weighted) std::fill_n(outputs.weighted, count, 0.0f);
}

}  // namespace

OccupancyLaunch::OccupancyLaunch(const OccupancyKernels& kernels, const OccupancyShape& shape,
                                 Reduction reduction, const OccupancyInputs& inputs, bool backward)
    : kernels_(kernels), backward_(backward), layout_(MakeMotifLayout(shape, inputs)) {
  job_ = {};
  job_.shape = shape;
  job_.plan = MakeOccupancyPlan(shape, layout_, inputs.weighted, backward);
  job_.reduction = reduction;
  job_.inputs = inputs;
  job_.block_motif = layout_.block_motif.data();
  job_.motif_columns = layout_.trained_columns.data();
  job_.block_scanned = layout_.block_scanned.data();
  job_.block_trained = layout_.block_trained.data();
  job_.block_sites = inputs.span == nullptr ? nullptr : layout_.block_sites.data();
  job_.table_offset = layout_.table_offset.data();
}

WorkspaceBytes OccupancyLaunch::Workspace(const Executor& executor) const {
  const OccupancyPlan& plan = job_.plan;
  const bool weighted = job_.inputs.weighted;
  WorkspaceBytes bytes = {};
  bytes.tables = RoundToLine(layout_.table_offset.back() * sizeof(float));
  bytes.divisions = RoundToLine(plan.block_count * sizeof(int32_t));
  bytes.scratch = executor.worker_count * RoundToLine(kernels_.scratch_bytes(plan, backward_));
  if (weighted) {
    const int64_t weights = plan.block_count * job_.shape.window_count * kBlockSites;
    bytes.weights = RoundToLine(weights * sizeof(float));
  }
  if (backward_) {
    bytes.partials = plan.sequence_slices * plan.block_count *
                     MakePartialLayout(job_.shape, weighted).total() * sizeof(float);
  }
  return bytes;
}

int64_t OccupancyLaunch::ItemCycles() const {
  const OccupancyPlan& plan = job_.plan;
  const int64_t window_blocks =
      job_.shape.sequence_count * job_.shape.window_count * plan.block_count / plan.item_count();
  if (!backward_) return kForwardCycles * window_blocks;
  // Tables of gradients are cleared and folded.
  return kBackwardCycles * window_blocks +
         static_cast<int64_t>(kTableCycles * plan.blocks_per_item * plan.gradient_floats());
}

void OccupancyLaunch::BuildTables(const Executor& executor, char* workspace) {
  const WorkspaceBytes bytes = Workspace(executor);
  job_.tables = reinterpret_cast<float*>(workspace);
  job_.sites_per_division = reinterpret_cast<int32_t*>(workspace + bytes.tables);
  job_.block_weight = reinterpret_cast<float*>(workspace + bytes.tables + bytes.divisions);
  const auto cost =
      static_cast<int64_t>(kTableCycles * layout_.table_offset.back() / job_.plan.block_count);
  executor.parallel_for(job_.plan.block_count, cost,
                        [this](int64_t block, int) { kernels_.build_table(job_, block); });
}

void OccupancyLaunch::Forward(const Executor& executor, char* workspace,
                              const OccupancyOutputs& outputs) {
  if (job_.shape.window_count == 0) {
    return ClearOutputs(job_.shape, job_.inputs.weighted, outputs);
  }
  BuildTables(executor, workspace);
  const WorkspaceBytes bytes = Workspace(executor);
  char* const scratch = workspace + bytes.tables + bytes.divisions + bytes.weights;
  const size_t stride = bytes.scratch / executor.worker_count;
  executor.parallel_for(job_.plan.item_count(), ItemCycles(), [&](int64_t item, int worker) {
    kernels_.forward_item(job_, item, scratch + worker * stride, outputs);
  });
}

void OccupancyLaunch::Backward(const Executor& executor, char* workspace,
                               const OccupancyUpstream& upstream,
                               const OccupancyGradients& gradients) {
  BuildTables(executor, workspace);
  const WorkspaceBytes bytes = Workspace(executor);
  char* const scratch = workspace + bytes.tables + bytes.divisions + bytes.weights;
  float* const partials = reinterpret_cast<float*>(scratch + bytes.scratch);
  const size_t stride = bytes.scratch / executor.worker_count;
  executor.parallel_for(job_.plan.item_count(), ItemCycles(), [&](int64_t item, int worker) {
    kernels_.backward_item(job_, item, scratch + worker * stride, upstream, partials);
  });
  executor.parallel_for(job_.plan.block_count, 4 * job_.shape.width * job_.plan.sequence_slices,
                        [&](int64_t block, int) { SumPartials(block, partials, gradients); });
}

void OccupancyLaunch::SumPartials(int64_t block, const float* partials,
                                  const OccupancyGradients& gradients) const {
  // Denormals are zero here as in the items, whatever the calling thread has set. Otherwise the
  // bits of the result could depend on the thread.
  const simd::FlushDenormals flush;
  const OccupancyPlan& plan = job_.plan;
  const PartialLayout layout = MakePartialLayout(job_.shape, job_.inputs.weighted);
  const int64_t stride = plan.block_count * layout.total();
  const int64_t motif_count = job_.shape.motif_count;
  const int64_t motifs = std::min<int64_t>(kBlockMotifs, motif_count - block * kBlockMotifs);
  const int32_t* motif = job_.block_motif + block * kBlockMotifs;
  // One row of a block's gradients, in the order of the slices.
  const auto sum_row = [&](const float* from, float* to) {
    for (int64_t i = 0; i < motifs; ++i, ++from) {
      float sum = 0.0f;
      for (int64_t slice = 0; slice < plan.sequence_slices; ++slice) sum += from[slice * stride];
      to[motif[i]] = sum;
    }
  };
  const float* from = partials + block * layout.total();
  for (int64_t row = 0; row < layout.log_kd / kBlockMotifs; ++row, from += kBlockMotifs) {
    sum_row(from, gradients.log_kd + row * motif_count);
  }
  sum_row(from, gradients.log_concentration);
  from += layout.log_concentration;
  for (int64_t window = 0; window < layout.position_weight / kBlockSites; ++window) {
    for (int64_t strand = 0; strand < kStrands; ++strand, from += kBlockMotifs) {
      const int64_t row = strand * job_.shape.window_count + window;
      sum_row(from, gradients.position_weight + row * motif_count);
    }
  }
  for (int64_t i = 0; i < motifs; ++i) HoldColumns(motif[i], gradients.log_kd);
}

// Columns outside a motif were scanned with its block, but have no gradient.
void OccupancyLaunch::HoldColumns(int64_t motif, float* log_kd) const {
  const ColumnRange& columns = job_.motif_columns[motif];
  for (int64_t column = 0; column < job_.shape.width; ++column) {
    if (column >= columns.first && column < columns.end) continue;
    for (int64_t base = 0; base < kBases; ++base) {
      log_kd[(column * kBases + base) * job_.shape.motif_count + motif] = 0.0f;
    }
  }
}

}  // namespace cisreg
