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
                                 Reduction reduction, const OccupancyInputs& inputs)
    : kernels_(kernels),
      job_{shape, MakeOccupancyPlan(shape, kernels.lanes), reduction, inputs, nullptr} {}

WorkspaceBytes OccupancyLaunch::Workspace(const Executor& executor, bool backward) const {
  const OccupancyPlan& plan = job_.plan;
  WorkspaceBytes bytes;
  bytes.tables = RoundToLine(plan.block_count * plan.table_floats() * sizeof(float));
  bytes.scratch = executor.worker_count * RoundToLine(kernels_.scratch_bytes(plan, backward));
  bytes.partials = 0;
  if (backward) {
    bytes.partials = plan.sequence_slices * plan.block_count *
                     MakePartialLayout(job_.shape, plan, job_.inputs.weighted).total() *
                     sizeof(float);
  }
  return bytes;
}

WorkspaceBytes OccupancyLaunch::ForwardWorkspace(const Executor& executor) const {
  return Workspace(executor, false);
}

WorkspaceBytes OccupancyLaunch::BackwardWorkspace(const Executor& executor) const {
  return Workspace(executor, true);
}

void OccupancyLaunch::BuildTables(const Executor& executor, char* workspace) {
  job_.tables = reinterpret_cast<float*>(workspace);
  executor.parallel_for(job_.plan.block_count, 4 * job_.plan.table_floats() / job_.plan.lanes,
                        [this](int64_t block, int) { kernels_.build_table(job_, block); });
}

void OccupancyLaunch::Forward(const Executor& executor, char* workspace,
                              const OccupancyOutputs& outputs) {
  if (job_.shape.window_count == 0) return ClearOutputs(job_.shape, job_.inputs.weighted, outputs);
  BuildTables(executor, workspace);
  char* const scratch = workspace + ForwardWorkspace(executor).tables;
  const size_t stride = RoundToLine(kernels_.scratch_bytes(job_.plan, false));
  executor.parallel_for(job_.plan.item_count(), kItemCycles, [&](int64_t item, int worker) {
    kernels_.forward_item(job_, item, scratch + worker * stride, outputs);
  });
}

void OccupancyLaunch::Backward(const Executor& executor, char* workspace,
                               const OccupancyUpstream& upstream,
                               const OccupancyGradients& gradients) {
  BuildTables(executor, workspace);
  const WorkspaceBytes bytes = BackwardWorkspace(executor);
  char* const scratch = workspace + bytes.tables;
  float* const partials = reinterpret_cast<float*>(scratch + bytes.scratch);
  const size_t stride = RoundToLine(kernels_.scratch_bytes(job_.plan, true));
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
  const int64_t first_motif = block * plan.lanes;
  const int64_t motifs = std::min(plan.lanes, motif_count - first_motif);
  // Rows of `lanes` floats, from any of the three parts, in the order of the slices.
  const auto sum_rows = [&](int64_t offset, int64_t rows, float* to) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t lane = 0; lane < motifs; ++lane) {
        const float* from = partials + block * layout.total() + offset + row * plan.lanes + lane;
        float sum = 0.0f;
        for (int64_t slice = 0; slice < plan.sequence_slices; ++slice) sum += from[slice * stride];
        to[row * motif_count + first_motif + lane] = sum;
      }
    }
  };
  sum_rows(0, layout.log_kd / plan.lanes, gradients.log_kd);
  sum_rows(layout.log_kd, 1, gradients.log_concentration);
  if (job_.inputs.weighted) {
    sum_rows(layout.log_kd + layout.log_concentration, layout.position_weight / plan.lanes,
             gradients.position_weight);
  }
}

}  // namespace cisreg
