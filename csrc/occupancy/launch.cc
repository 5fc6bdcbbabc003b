#include "occupancy/launch.h"

#include <algorithm>

namespace cisreg {
namespace {

// What a work item takes, for the scheduler: far more than starting it.
constexpr int64_t kItemCycles = 300000;

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
    : kernels_(kernels),
      backward_(backward),
      layout_(MakeMotifLayout(shape, FindMotifColumns(shape, inputs, !backward), kernels.lanes)) {
  job_.shape = shape;
  job_.plan = MakeOccupancyPlan(shape, layout_, inputs.weighted, kernels.lanes);
  job_.reduction = reduction;
  job_.inputs = inputs;
  job_.lane_motif = layout_.lane_motif.data();
  job_.motif_columns = layout_.motif_columns.data();
  job_.block_columns = layout_.block_columns.data();
  job_.tables = nullptr;
  job_.lane_weight = nullptr;
}

WorkspaceBytes OccupancyLaunch::Workspace(const Executor& executor) const {
  const OccupancyPlan& plan = job_.plan;
  const bool weighted = job_.inputs.weighted;
  WorkspaceBytes bytes = {};
  bytes.tables = RoundToLine(plan.block_count * plan.table_floats() * sizeof(float));
  bytes.scratch = executor.worker_count * RoundToLine(kernels_.scratch_bytes(plan, backward_));
  if (weighted) {
    const int64_t weights = plan.block_count * kStrands * job_.shape.window_count * plan.lanes;
    bytes.weights = RoundToLine(weights * sizeof(float));
  }
  if (backward_) {
    bytes.partials = plan.sequence_slices * plan.block_count *
                     MakePartialLayout(job_.shape, plan, weighted).total() * sizeof(float);
  }
  return bytes;
}

void OccupancyLaunch::BuildTables(const Executor& executor, char* workspace) {
  job_.tables = reinterpret_cast<float*>(workspace);
  job_.lane_weight = reinterpret_cast<float*>(workspace + Workspace(executor).tables);
  executor.parallel_for(job_.plan.block_count, 4 * job_.plan.table_floats() / job_.plan.lanes,
                        [this](int64_t block, int) { kernels_.build_table(job_, block); });
}

void OccupancyLaunch::Forward(const Executor& executor, char* workspace,
                              const OccupancyOutputs& outputs) {
  if (job_.shape.window_count == 0) {
    return ClearOutputs(job_.shape, job_.inputs.weighted, outputs);
  }
  BuildTables(executor, workspace);
  const WorkspaceBytes bytes = Workspace(executor);
  char* const scratch = workspace + bytes.tables + bytes.weights;
  const size_t stride = bytes.scratch / executor.worker_count;
  executor.parallel_for(job_.plan.item_count(), kItemCycles, [&](int64_t item, int worker) {
    kernels_.forward_item(job_, item, scratch + worker * stride, outputs);
  });
}

void OccupancyLaunch::Backward(const Executor& executor, char* workspace,
                               const OccupancyUpstream& upstream,
                               const OccupancyGradients& gradients) {
  BuildTables(executor, workspace);
  const WorkspaceBytes bytes = Workspace(executor);
  char* const scratch = workspace + bytes.tables + bytes.weights;
  float* const partials = reinterpret_cast<float*>(scratch + bytes.scratch);
  const size_t stride = bytes.scratch / executor.worker_count;
  executor.parallel_for(job_.plan.item_count(), kItemCycles, [&](int64_t item, int worker) {
    kernels_.backward_item(job_, item, scratch + worker * stride, upstream, partials);
  });
  executor.parallel_for(job_.plan.block_count, 4 * job_.shape.width * job_.plan.sequence_slices,
                        [&](int64_t block, int) { SumPartials(block, partials, gradients); });
}

void OccupancyLaunch::SumPartials(int64_t block, const float* partials,
                                  const OccupancyGradients& gradients) const {
  const OccupancyPlan& plan = job_.plan;
  const PartialLayout layout = MakePartialLayout(job_.shape, plan, job_.inputs.weighted);
  const int64_t stride = plan.block_count * layout.total();
  const int64_t motif_count = job_.shape.motif_count;
  const int64_t motifs = std::min(plan.lanes, motif_count - block * plan.lanes);
  const int32_t* motif = job_.lane_motif + block * plan.lanes;
  // Rows of `lanes` floats, from any of the three parts, in the order of the slices.
  const auto sum_rows = [&](int64_t offset, int64_t rows, float* to) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t lane = 0; lane < motifs; ++lane) {
        const float* from = partials + block * layout.total() + offset + row * plan.lanes + lane;
        float sum = 0.0f;
        for (int64_t slice = 0; slice < plan.sequence_slices; ++slice) sum += from[slice * stride];
        to[row * motif_count + motif[lane]] = sum;
      }
    }
  };
  sum_rows(0, layout.log_kd / plan.lanes, gradients.log_kd);
  sum_rows(layout.log_kd, 1, gradients.log_concentration);
  if (job_.inputs.weighted) {
    sum_rows(layout.log_kd + layout.log_concentration, layout.position_weight / plan.lanes,
             gradients.position_weight);
  }
  for (int64_t lane = 0; lane < motifs; ++lane) HoldColumns(motif[lane], gradients.log_kd);
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
