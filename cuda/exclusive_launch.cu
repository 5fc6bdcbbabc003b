// The steps of a launch of sites that exclude each other: find on the host where sites lie, check
// the limits of the device, lay out the workspace, prepare the motifs, run the kernels.

#include <algorithm>
#include <vector>

#include "exclusive.cuh"
#include "exclusive/footprints.h"
#include "exclusive_launch.h"
#include "exclusive_law.cuh"
#include "scan_launch.h"
#include "sum_rows.cuh"
#include "upload.cuh"

namespace cisreg {
namespace {

using exclusive::Footprints;
using exclusive::Inputs;
using gpu::Arena;
using gpu::ErrorOf;
using gpu::ExclusiveParams;
using gpu::Number;

struct Launch {
  GpuDevice device;
  OccupancyInputs scan;  // as the scan takes it: with one set of position weights, or none
  ExclusiveParams params;
  uint64_t* sort_keys;
  std::vector<int32_t> numbers;  // of the host, which the kernels need
  int32_t* numbers_at;
  const int32_t* column_range;
  int64_t strips;
  float* bound_strips;  // [N, strips, 2, M], or null where sequences have one strip
  float* weighted_strips;
  float* competitor_terms;   // [N, Q]
  float* competitor_groups;  // [groups of sequences, Q]
  gpu::BackwardSplit split;
  gpu::BackwardShared shared;
  gpu::GradientParts parts;
  cudaError_t status;  // of asking the runtime
  int64_t bytes;
};

OccupancyInputs ScanInputs(const Inputs& inputs) {
  OccupancyInputs scan = inputs.scan;
  scan.compute_type = ComputeType::kFloat32;
  scan.position_weight = inputs.position_weight;
  scan.weight_sets = inputs.position_weight != nullptr ? 1 : 0;
  return scan;
}

// Puts what kernels read of the host's numbers in one row, and says where each lies there.
void GatherNumbers(const OccupancyShape& shape, const Inputs& inputs, const Footprints& footprints,
                   Arena* arena, Launch* launch) {
  std::vector<int32_t>& numbers = launch->numbers;
  gpu::PlaceLayout& places = launch->params.places;
  std::vector<int64_t> first;
  if (inputs.scan.column_range != nullptr) {
    numbers.assign(inputs.scan.column_range, inputs.scan.column_range + 2 * shape.motif_count);
  }
  first.push_back(static_cast<int64_t>(numbers.size()));
  numbers.insert(numbers.end(), footprints.widths.begin(), footprints.widths.end());
  first.push_back(static_cast<int64_t>(numbers.size()));
  for (int strand = 0; strand < kStrands; ++strand) {
    for (int64_t motif = 0; motif < shape.motif_count; ++motif) {
      const int32_t index = footprints.WidthIndex(footprints.of_motif[motif].width);
      numbers.push_back(index * places.stride + footprints.Offset(motif, strand));
    }
  }
  first.push_back(static_cast<int64_t>(numbers.size()));
  for (int64_t i = 0; i < inputs.competitor_count; ++i) {
    numbers.push_back(inputs.competitor_width[i]);
  }
  for (int64_t i = 0; i < inputs.competitor_count; ++i) {
    numbers.push_back(footprints.WidthIndex(inputs.competitor_width[i]));
  }
  launch->numbers_at = arena->Take<int32_t>(static_cast<int64_t>(numbers.size()));
  const int32_t* const at = launch->numbers_at;
  launch->column_range = inputs.scan.column_range == nullptr ? nullptr : at;
  if (at == nullptr) return;
  places.width = at + first[0];
  places.motif = at + first[1];
  launch->params.competitors.width = at + first[2];
  launch->params.competitors.width_index = at + first[2] + inputs.competitor_count;
}

// Parts of the motifs whose sums of odds are kept apart: enough for all of the device, as far as
// there is memory.
int32_t PartCount(const ExclusiveParams& params) {
  const int64_t count = std::max<int64_t>(1, params.shape.sequence_count);
  const int64_t bytes =
      std::max<int64_t>(1, count * params.SequenceFloats() * static_cast<int64_t>(sizeof(float)));
  const int64_t parts = std::min(gpu::kExclusiveUnits / count, gpu::kExclusiveSums / bytes);
  return static_cast<int32_t>(std::clamp<int64_t>(parts, 1, params.motifs.tile_count));
}

gpu::ConfigurationSums TakeConfigurations(const ExclusiveParams& params, Arena* arena) {
  const int64_t count = params.shape.sequence_count * (params.places.stride + int64_t{1});
  gpu::ConfigurationSums sums = {};
  sums.sum = arena->Take<double>(count);
  if (params.HasGains()) sums.gain = arena->Take<double>(count);
  sums.power = arena->Take<int32_t>(count);
  return sums;
}

void LayOutForward(Arena* arena, Launch* launch) {
  const ExclusiveParams& params = launch->params;
  launch->strips = gpu::ExclusiveStrips(params.shape.window_count);
  if (launch->strips == 1) return;
  const int64_t sums = params.shape.sequence_count * launch->strips * kStrands *
                       static_cast<int64_t>(params.motifs.motif_count);
  launch->bound_strips = arena->Take<float>(sums);
  if (launch->scan.weighted()) launch->weighted_strips = arena->Take<float>(sums);
}

// The gradients of competitors are added in groups of sequences.
gpu::SumRowsParams CompetitorRows(const Launch& launch) {
  gpu::SumRowsParams rows = {};
  rows.from = launch.competitor_terms;
  rows.to = launch.competitor_groups;
  rows.sequences = 1;
  rows.rows = launch.params.shape.sequence_count;
  rows.group_rows = gpu::kCompetitorRows;
  rows.columns = launch.params.competitors.count;
  return rows;
}

void LayOutBackward(Arena* arena, Launch* launch) {
  const ExclusiveParams& params = launch->params;
  gpu::BackwardProblem problem = {};
  problem.sequence_count = params.shape.sequence_count;
  problem.window_count = params.shape.window_count;
  problem.tile_count = params.motifs.tile_count;
  problem.step_count = params.motifs.step_count;
  problem.term_count = params.motifs.term_count;
  problem.weight_sets = params.motifs.weight_sets;
  problem.conditions = 1;
  problem.compute_capability = launch->device.compute_capability;
  problem.shared_limit = launch->device.shared_memory_per_block;
  launch->status = PlanExclusiveBackward(problem, launch->device.multiprocessor_count,
                                         &launch->split, &launch->shared);
  launch->parts = gpu::LayOutParts(launch->split, params.motifs, arena);
  launch->competitor_terms =
      arena->Take<float>(params.shape.sequence_count * params.competitors.count);
  launch->competitor_groups =
      arena->Take<float>(CompetitorRows(*launch).Groups() * params.competitors.count);
}

// Whether there are gains follows from `params.bound_gradient`, which is any address here.
Launch LayOut(const GpuDevice& device, const OccupancyShape& shape, const Inputs& inputs,
              bool backward, char* workspace) {
  static constexpr float kSome = 0.0f;
  Launch launch = {};
  launch.device = device;
  launch.scan = ScanInputs(inputs);
  ExclusiveParams& params = launch.params;
  params.shape = gpu::ScanShapeOf(shape, launch.scan);
  if (backward) params.bound_gradient = &kSome;
  Arena arena(workspace);
  params.motifs = gpu::LayOutMotifs(shape, launch.scan, &arena, &launch.sort_keys);
  const Footprints footprints = FindFootprints(shape, inputs);
  gpu::PlaceLayout& places = params.places;
  places.width_count = static_cast<int32_t>(footprints.widths.size());
  places.first_base = static_cast<int32_t>(footprints.first_base);
  places.reach = static_cast<int32_t>(footprints.reach);
  // One place more, so that no row is empty.
  places.stride =
      static_cast<int32_t>(std::max<int64_t>(0, shape.window_count - 1 + footprints.reach) + 1);
  params.competitors.count = static_cast<int32_t>(inputs.competitor_count);
  params.competitors.log_odds = inputs.competitor_log_odds;
  GatherNumbers(shape, inputs, footprints, &arena, &launch);
  const int64_t tiles = params.motifs.tile_count;
  places.site = arena.Take<int32_t>(tiles * gpu::kTileMotifs);
  places.group = arena.Take<gpu::TileGroup>(tiles * gpu::kTileMotifs);
  places.group_count = arena.Take<int32_t>(tiles);
  params.parts = PartCount(params);
  params.sums = arena.Take<float>(params.parts * shape.sequence_count * params.SequenceFloats());
  params.before = TakeConfigurations(params, &arena);
  params.behind = TakeConfigurations(params, &arena);
  if (backward) {
    LayOutBackward(&arena, &launch);
  } else {
    LayOutForward(&arena, &launch);
  }
  launch.bytes = arena.bytes();
  return launch;
}

// By sizes, and by numbers of the host.
GpuError CheckSizes(const GpuDevice& device, const OccupancyShape& shape, const Inputs& inputs) {
  const GpuError error = gpu::CheckSizes(device, shape);
  if (!error.empty()) return error;
  if (device.compute_capability < gpu::kSparseCapability) {
    return "GPU: expected compute capability 8.0 or later for sites that exclude each other, got " +
           Number(device.compute_capability / 10) + "." + Number(device.compute_capability % 10) +
           "; place the operation on the CPU, or take implementation=\"standard\"; load a stored "
           "graph under tf.device(\"CPU:0\"), or export it with standard_ops=True";
  }
  const Footprints footprints = FindFootprints(shape, inputs);
  const int64_t places = std::max<int64_t>(0, shape.window_count + footprints.reach);
  const int64_t widths = static_cast<int64_t>(footprints.widths.size());
  if (places * widths >= int64_t{1} << 30) {
    return "sequence: the GPU kernels expect fewer than 2^30 places times widths of sites that "
           "exclude each other, got " +
           Number(places) + " places and " + Number(widths) +
           " widths; place the operation on the CPU";
  }
  return {};
}

GpuError CheckMemory(const OccupancyShape& shape, const Launch& launch, bool backward) {
  const int64_t bytes =
      backward ? std::max(launch.shared.total, gpu::ExclusiveScanBytes(launch.params.motifs))
               : gpu::ExclusiveScanBytes(launch.params.motifs);
  return bytes > launch.device.shared_memory_per_block ? gpu::TooWide(shape, launch.device)
                                                       : GpuError();
}

// What a launch checks again, since the runtime may answer otherwise than before.
GpuError CheckLayout(const OccupancyShape& shape, const Launch& launch, bool backward) {
  const GpuError error = CheckMemory(shape, launch, backward);
  if (!error.empty()) return error;
  return ErrorOf(launch.status, "asking how many blocks of the gradient kernel fit");
}

GpuError PrepareMotifs(const Launch& launch, cudaStream_t stream) {
  const OccupancyInputs& scan = launch.scan;
  GpuError error =
      ErrorOf(gpu::Upload(launch.numbers.data(), static_cast<int64_t>(launch.numbers.size()),
                          launch.numbers_at, stream),
              "bringing footprints to the device");
  if (!error.empty()) return error;
  error =
      ErrorOf(gpu::Prepare({launch.params.motifs, launch.params.shape, launch.sort_keys,
                            scan.log_kd, scan.log_concentration,
                            scan.weighted() ? scan.position_weight : nullptr, launch.column_range},
                           stream),
              "preparing motifs");
  if (!error.empty()) return error;
  return ErrorOf(FindSites(launch.params, stream), "finding where sites lie");
}

// The first scan and the recursion.
GpuError RunSequences(const Launch& launch, cudaStream_t stream) {
  const int64_t limit = launch.device.shared_memory_per_block;
  GpuError error = ErrorOf(SumOdds(launch.params, limit, stream), "the sums of odds");
  if (error.empty()) error = ErrorOf(CollectOdds(launch.params, stream), "the parts of odds");
  if (error.empty()) {
    error = ErrorOf(SumSequences(launch.params, stream), "the sums over configurations");
  }
  return error;
}

// Adds the sums of the strips of each sequence.
cudaError_t AddStrips(const Launch& launch, const float* from, float* to, cudaStream_t stream) {
  gpu::SumRowsParams rows = {};
  rows.from = from;
  rows.to = to;
  rows.sequences = launch.params.shape.sequence_count;
  rows.rows = rows.group_rows = launch.strips;
  rows.columns = kStrands * static_cast<int64_t>(launch.params.motifs.motif_count);
  return SumRows(rows, stream);
}

cudaError_t AddCompetitors(const Launch& launch, float* to, cudaStream_t stream) {
  gpu::SumRowsParams rows = CompetitorRows(launch);
  const cudaError_t status = SumRows(rows, stream);
  if (status != cudaSuccess) return status;
  rows.rows = rows.group_rows = rows.Groups();
  rows.from = launch.competitor_groups;
  rows.to = to;
  return SumRows(rows, stream);
}

gpu::BackwardParams GradientParams(const Launch& launch, const exclusive::Upstream& upstream,
                                   const exclusive::Gradients& gradients) {
  const ExclusiveParams& own = launch.params;
  gpu::BackwardParams params = {};
  params.motifs = own.motifs;
  params.shape = own.shape;
  params.split = launch.split;
  params.shared = launch.shared;
  params.sequence = own.sequence;
  params.bound_gradient = upstream.bound;
  params.weighted_gradient = own.weighted_gradient;
  params.column_range = launch.column_range;
  params.span = own.span;
  params.parts = launch.parts;
  params.gradients = {gradients.log_kd, gradients.log_concentration, gradients.position_weight};
  params.exclusive = {reinterpret_cast<const float2*>(own.sums), own.places.Numbers(),
                      own.places.site};
  return params;
}

// The inputs that kernels read.
void TakeInputs(const Inputs& inputs, ExclusiveParams* params) {
  params->sequence = inputs.scan.sequence;
  params->span = {inputs.scan.span, inputs.scan.span_stride};
}

}  // namespace

GpuError GpuExclusiveRefusal(const GpuDevice& device, const OccupancyShape& shape,
                             const Inputs& inputs) {
  GpuError error = CheckSizes(device, shape, inputs);
  for (const bool backward : {false, true}) {
    if (!error.empty()) return error;
    error = CheckMemory(shape, LayOut(device, shape, inputs, backward, nullptr), backward);
  }
  return error;
}

GpuError GpuExclusiveWorkspaceBytes(const GpuDevice& device, const OccupancyShape& shape,
                                    const Inputs& inputs, bool backward, int64_t* bytes) {
  *bytes = 0;
  GpuError error = CheckSizes(device, shape, inputs);
  if (!error.empty()) return error;
  const Launch launch = LayOut(device, shape, inputs, backward, nullptr);
  error = CheckLayout(shape, launch, backward);
  if (error.empty()) *bytes = launch.bytes;
  return error;
}

GpuError GpuExclusiveForward(const GpuDevice& device, const OccupancyShape& shape,
                             const Inputs& inputs, void* stream, char* workspace,
                             const exclusive::Outputs& outputs) {
  if (shape.sequence_count == 0) return {};
  Launch launch = LayOut(device, shape, inputs, false, workspace);
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  ExclusiveParams& params = launch.params;
  TakeInputs(inputs, &params);
  params.log_partition = outputs.log_partition;
  params.competitor_sums = outputs.competitors;
  const bool adds = launch.strips > 1, weighted = launch.scan.weighted();
  params.bound = adds ? launch.bound_strips : outputs.bound;
  if (weighted) params.weighted = adds ? launch.weighted_strips : outputs.weighted;
  GpuError error = PrepareMotifs(launch, cuda_stream);
  if (error.empty()) error = RunSequences(launch, cuda_stream);
  if (error.empty()) {
    error = ErrorOf(SumBound(params, device.shared_memory_per_block, cuda_stream),
                    "the sums of occupancies");
  }
  if (!error.empty() || !adds) return error;
  cudaError_t status = AddStrips(launch, params.bound, outputs.bound, cuda_stream);
  if (status == cudaSuccess && weighted) {
    status = AddStrips(launch, params.weighted, outputs.weighted, cuda_stream);
  }
  return ErrorOf(status, "the sums of strips");
}

GpuError GpuExclusiveBackward(const GpuDevice& device, const OccupancyShape& shape,
                              const Inputs& inputs, void* stream, char* workspace,
                              const exclusive::Upstream& upstream,
                              const exclusive::Gradients& gradients) {
  Launch launch = LayOut(device, shape, inputs, true, workspace);
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  ExclusiveParams& params = launch.params;
  TakeInputs(inputs, &params);
  params.bound_gradient = upstream.bound;
  if (launch.scan.weighted()) params.weighted_gradient = upstream.weighted;
  params.log_partition_gradient = upstream.log_partition;
  params.competitor_gradient = upstream.competitors;
  params.competitor_sums = launch.competitor_terms;
  GpuError error = CheckLayout(shape, launch, true);
  if (error.empty()) error = PrepareMotifs(launch, cuda_stream);
  if (error.empty() && shape.sequence_count > 0) error = RunSequences(launch, cuda_stream);
  if (error.empty()) {
    error = ErrorOf(ExclusiveBackward(GradientParams(launch, upstream, gradients),
                                      device.shared_memory_per_block, cuda_stream),
                    "the gradient kernels");
  }
  if (!error.empty() || params.competitors.count == 0) return error;
  return ErrorOf(AddCompetitors(launch, gradients.competitors, cuda_stream),
                 "the gradients of competitors");
}

}  // namespace cisreg
