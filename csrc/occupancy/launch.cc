#include "occupancy/launch.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>

#include "common/cache_line.h"
#include "common/shared_items.h"
#include "occupancy/items.h"
#include "occupancy/slices.h"
#include "simd/denormals.h"

namespace cisreg {
namespace {

// Rough cycles for the scheduler: of one window of one block, and of one number of a table.
constexpr int64_t kForwardCycles = 8;
constexpr int64_t kBackwardCycles = 24;
// And of every further condition or set of position weights.
constexpr int64_t kFurtherForwardCycles = 4;
constexpr int64_t kFurtherBackwardCycles = 6;
constexpr double kTableCycles = 0.5;

// With at most this many rows of tiles, some rows of tables are likely to be read by none.
constexpr int64_t kFewRows = 512;

// Whether the segments of a tile are where the first ones of another tile are.
bool RepeatsRows(const Tile& tile, const Tile& other) {
  if (tile.segment_count > other.segment_count) return false;
  return std::equal(tile.segments, tile.segments + tile.segment_count, other.segments,
                    [](const Segment& a, const Segment& b) {
                      return a.first_row == b.first_row && a.windows == b.windows;
                    });
}

}  // namespace

OccupancyLaunch::OccupancyLaunch(const OccupancyKernels& kernels, const OccupancyShape& shape,
                                 Reduction reduction, const OccupancyInputs& inputs, bool backward)
    : kernels_(kernels), backward_(backward), layout_(MakeMotifLayout(shape, inputs)) {
  job_ = {};
  job_.shape = shape;
  job_.plan = MakeOccupancyPlan(shape, inputs, layout_, backward);
  job_.reduction = reduction;
  job_.inputs = inputs;
  job_.block_motif = layout_.block_motif.data();
  job_.motif_columns = layout_.trained_columns.data();
  job_.block_scanned = layout_.block_scanned.data();
  job_.block_trained = layout_.block_trained.data();
  job_.block_sites = inputs.span == nullptr ? nullptr : layout_.block_sites.data();
  job_.base_concentration = layout_.base_concentration.empty() ? inputs.log_concentration
                                                               : layout_.base_concentration.data();
  const float* const concentrations = inputs.log_concentration;
  job_.some_absent =
      std::count(concentrations, concentrations + inputs.condition_count * shape.motif_count,
                 -std::numeric_limits<float>::infinity()) > 0;
  job_.block_absent = layout_.block_absent.empty() ? nullptr : layout_.block_absent.data();
  slice_begin_ = DivideSequences(shape, inputs, job_.plan);
  job_.slice_begin = slice_begin_.data();
  job_.table_offset = layout_.table_offset.data();
  std::fill(std::begin(used_rows_), std::end(used_rows_), 1);
  job_.used_rows = used_rows_;
  if (job_.plan.shares_tiles) LayOutTiles();
}

// What each tile holds; their k-mers are found later.
void OccupancyLaunch::LayOutTiles() {
  const OccupancyPlan& plan = job_.plan;
  const std::unique_ptr<Segment[]> buffer(new Segment[plan.tile_rows]);
  std::vector<int64_t> first_segment;
  slice_tile_.push_back(0);
  for (int64_t slice = 0; slice < plan.sequence_slices; ++slice) {
    TileCursor cursor = {slice_begin_[slice], slice_begin_[slice + 1], 0};
    while (!cursor.done()) {
      Tile tile = {};
      tile.segments = buffer.get();
      LayOutTile(job_.shape, plan, job_.inputs, &cursor, &tile);
      first_segment.push_back(segments_.size());
      segments_.insert(segments_.end(), buffer.get(), buffer.get() + tile.segment_count);
      tiles_.push_back(tile);
    }
    slice_tile_.push_back(tiles_.size());
  }
  for (size_t i = 0; i < tiles_.size(); ++i) tiles_[i].segments = &segments_[first_segment[i]];
  for (int64_t slice = 0; slice < plan.sequence_slices; ++slice) {
    for (int64_t i = slice_tile_[slice] + 1; i < slice_tile_[slice + 1]; ++i) {
      tiles_[i].repeats_rows = RepeatsRows(tiles_[i], tiles_[i - 1]);
    }
  }
  job_.tiles = tiles_.data();
  job_.slice_tile = slice_tile_.data();
}

WorkspaceBytes OccupancyLaunch::Workspace(const Executor& executor) const {
  const OccupancyPlan& plan = job_.plan;
  WorkspaceBytes bytes = {};
  bytes.tables = RoundToLine(layout_.table_offset.back() * sizeof(float));
  bytes.divisions = RoundToLine(plan.block_count * sizeof(int32_t));
  for (const Tile& tile : tiles_) {
    ScratchArena arena = {nullptr, 0};
    Tile arrays;
    TakeTileArrays(tile.rows, backward_, &arena, &arrays);
    bytes.tiles += arena.used;
  }
  bytes.scratch = executor.worker_count * RoundToLine(kernels_.scratch_bytes(plan, backward_));
  const OccupancyInputs& inputs = job_.inputs;
  const int64_t block_floats = plan.block_count * kBlockSites;
  if (inputs.several()) {
    bytes.factors = RoundToLine(block_floats * inputs.condition_count * sizeof(float));
  }
  const int64_t weights = block_floats * job_.shape.window_count * inputs.weight_sets;
  bytes.weights = RoundToLine(weights * sizeof(float));
  if (backward_) {
    bytes.partials = plan.sequence_slices * plan.block_count *
                     MakePartialLayout(job_.shape, inputs).total() * sizeof(float);
  }
  return bytes;
}

int64_t OccupancyLaunch::ItemCycles() const {
  const OccupancyPlan& plan = job_.plan;
  const int64_t window_blocks = plan.window_count * plan.block_count / plan.item_count();
  const auto tables =
      static_cast<int64_t>(kTableCycles * layout_.table_offset.back() / plan.item_count());
  const int64_t further =
      job_.inputs.summed_conditions() * std::max<int64_t>(1, job_.inputs.weight_sets) - 1;
  if (!backward_) {
    return (kForwardCycles + kFurtherForwardCycles * further) * window_blocks + tables;
  }
  // Tables of gradients are cleared and folded.
  return (kBackwardCycles + kFurtherBackwardCycles * further) * window_blocks + tables +
         static_cast<int64_t>(kTableCycles * plan.blocks_per_item * plan.gradient_floats());
}

char* OccupancyLaunch::TakeWorkspace(const Executor& executor, char* workspace) {
  const WorkspaceBytes bytes = Workspace(executor);
  job_.tables = reinterpret_cast<float*>(workspace);
  workspace += bytes.tables;
  job_.sites_per_division = reinterpret_cast<int32_t*>(workspace);
  workspace += bytes.divisions;
  job_.factors = reinterpret_cast<float*>(workspace);
  workspace += bytes.factors;
  job_.block_weight = reinterpret_cast<float*>(workspace);
  workspace += bytes.weights;
  ScratchArena arena = {workspace, 0};
  for (Tile& tile : tiles_) TakeTileArrays(tile.rows, backward_, &arena, &tile);
  return workspace + bytes.tiles;
}

// What items share, and how far it is.
class OccupancyLaunch::Progress {
 public:
  Progress(const OccupancyPlan& plan, size_t tiles)
      : tables(plan.block_count), tiles(tiles), slices_(plan.block_groups) {}

  // Called when an item is done: whether it is the last one of its group of blocks.
  bool IsLastSlice(const OccupancyPlan& plan, int64_t item) {
    return slices_[plan.group_of(item)].fetch_add(1) + 1 == plan.sequence_slices;
  }

  OnceEach tables;
  OnceEach tiles;

 private:
  std::vector<std::atomic<int64_t>> slices_;
};

// Where a single tile holds few rows, works it out and finds which rows of tables it reads.
void OccupancyLaunch::FindUsedRows(char* scratch, Progress* progress) {
  if (tiles_.size() != 1 || tiles_[0].rows > kFewRows) return;
  progress->tiles.Do(0, 1, [&](int64_t tile) { kernels_.encode_tile(job_, tile, scratch); });
  std::fill(std::begin(used_rows_), std::end(used_rows_), 0);
  // Windows in flight beyond the last one read this.
  used_rows_[kEmptyRow] = 1;
  // No window reads the rows before the first segment.
  for (int64_t i = job_.plan.pad_rows; i < tiles_[0].rows; ++i) {
    used_rows_[tiles_[0].kmer_offset[i] / kRowBytes] = 1;
  }
}

void OccupancyLaunch::PrepareItem(int64_t item, char* scratch, Progress* progress) const {
  const ItemRange range = FindItem(job_.plan, item);
  progress->tables.Do(range.first_block, range.end_block,
                      [this](int64_t block) { kernels_.build_table(job_, block); });
  if (job_.tiles == nullptr) return;
  progress->tiles.Do(slice_tile_[range.slice], slice_tile_[range.slice + 1],
                     [&](int64_t tile) { kernels_.encode_tile(job_, tile, scratch); });
}

void OccupancyLaunch::Forward(const Executor& executor, char* workspace,
                              const OccupancyOutputs& outputs) {
  char* const memory = TakeWorkspace(executor, workspace);
  const size_t stride = Workspace(executor).scratch / executor.worker_count;
  Progress progress(job_.plan, tiles_.size());
  FindUsedRows(memory, &progress);
  executor.parallel_for(job_.plan.item_count(), ItemCycles(), [&](int64_t item, int worker) {
    const simd::FlushDenormals flush;
    char* const scratch = memory + worker * stride;
    PrepareItem(item, scratch, &progress);
    kernels_.forward_item(job_, item, scratch, outputs);
  });
}

void OccupancyLaunch::Backward(const Executor& executor, char* workspace,
                               const OccupancyUpstream& upstream,
                               const OccupancyGradients& gradients) {
  char* const memory = TakeWorkspace(executor, workspace);
  const WorkspaceBytes bytes = Workspace(executor);
  float* const partials = reinterpret_cast<float*>(memory + bytes.scratch);
  const size_t stride = bytes.scratch / executor.worker_count;
  Progress progress(job_.plan, tiles_.size());
  FindUsedRows(memory, &progress);
  executor.parallel_for(job_.plan.item_count(), ItemCycles(), [&](int64_t item, int worker) {
    // Whatever the calling thread has set: otherwise the bits of the result could depend on the
    // thread.
    const simd::FlushDenormals flush;
    char* const scratch = memory + worker * stride;
    PrepareItem(item, scratch, &progress);
    kernels_.backward_item(job_, item, scratch, upstream, partials);
    if (!progress.IsLastSlice(job_.plan, item)) return;
    const ItemRange range = FindItem(job_.plan, item);
    for (int64_t block = range.first_block; block < range.end_block; ++block) {
      SumPartials(block, partials, gradients);
    }
  });
}

void OccupancyLaunch::SumPartials(int64_t block, const float* partials,
                                  const OccupancyGradients& gradients) const {
  const OccupancyPlan& plan = job_.plan;
  const PartialLayout layout = MakePartialLayout(job_.shape, job_.inputs);
  const int64_t stride = plan.block_count * layout.total();
  const int64_t motif_count = job_.shape.motif_count;
  const BlockSlices slices(job_, block, plan.sequence_slices, stride);
  const float* from = partials + block * layout.total();
  for (int64_t row = 0; row < layout.log_kd / kBlockMotifs; ++row, from += kBlockMotifs) {
    slices.Sum(from, gradients.log_kd + row * motif_count);
  }
  for (int64_t row = 0; row < job_.inputs.condition_count; ++row, from += kBlockMotifs) {
    slices.Sum(from, gradients.log_concentration + row * motif_count);
  }
  const int64_t strands = job_.inputs.weight_sets * kStrands;
  for (int64_t i = 0; i < strands * job_.shape.window_count; ++i, from += kBlockMotifs) {
    const int64_t row = i % strands * job_.shape.window_count + i / strands;
    slices.Sum(from, gradients.position_weight + row * motif_count);
  }
  slices.HoldColumns(gradients.log_kd);
}

}  // namespace cisreg
