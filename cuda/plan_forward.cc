#include "plan_forward.h"

#include <algorithm>
#include <numeric>

namespace cisreg::gpu {
namespace {

// What the cut costs beside the units themselves, in units of a busy warp: building the one-hot
// windows of a strip, and copying one tile's energies to shared memory, counted from the machine
// code and from what a multiprocessor can read from the second-level cache.
constexpr double kItemCost = 1.2;
constexpr double kCopyCost = 0.1;
// With fewer tiles a slice, building one-hot windows would take longer than reading the weights.
constexpr int64_t kFewestTiles = 4;
// Numbers of sequences beyond this are taken in their order: the product of two would overflow.
constexpr int64_t kMostScattered = int64_t{1} << 32;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How long the busiest block takes, about.
double CostOf(int64_t items, int64_t tile_count, int64_t slices, int64_t blocks, int warps) {
  const double slice_tiles = static_cast<double>(tile_count) / slices;
  const double units = static_cast<double>(items) * tile_count / blocks;
  const double slice_units = items * slice_tiles;
  // Blocks whose row of units is no whole share of a slice go on to another one.
  const bool crosses = blocks % slices != 0 && slices > 1;
  const double parts = std::max(1.0, units / slice_units) + (crosses ? 1 : 0);
  const double of_warp = std::max(units / warps, parts);
  return of_warp + (of_warp / slice_tiles + parts) * kItemCost + parts * slice_tiles * kCopyCost;
}

// Few items: more and smaller slices save copying.
int64_t BestSlices(int64_t items, int64_t tile_count, int64_t fewest, int64_t blocks, int warps) {
  int64_t best = fewest;
  double best_cost = CostOf(items, tile_count, fewest, blocks, warps);
  for (int64_t slices = 2 * fewest;; slices *= 2) {
    slices = std::min(slices, tile_count);
    const double cost = CostOf(items, tile_count, slices, blocks, warps);
    if (cost < best_cost) best = slices, best_cost = cost;
    if (slices == tile_count) return best;
  }
}

// The sequences, and the strips of each, of a launch.
void ChooseChunks(const ForwardProblem& problem, ForwardPlan* plan) {
  plan->chunk_sequences = problem.sequence_count;
  plan->chunk_strips = plan->strips;
  if (plan->strips == 1) return;
  const int64_t row_bytes = problem.row_sums * static_cast<int64_t>(sizeof(float));
  const int64_t rows = std::max<int64_t>(kForwardScratch / row_bytes, kSumStrips);
  if (plan->strips > rows) {
    plan->chunk_sequences = 1;
    plan->chunk_strips = rows / kSumStrips * kSumStrips;
  } else {
    // All chunks of about the same size.
    const int64_t most = rows / plan->strips;
    const int64_t chunks = std::max<int64_t>(CeilDivide(problem.sequence_count, most), 1);
    plan->chunk_sequences = CeilDivide(problem.sequence_count, chunks);
  }
}

// A number near `count` times the golden section, which spreads whatever is in order, without a
// common divisor.
int64_t ScatterStride(int64_t count) {
  if (count < 3 || count >= kMostScattered) return 1;
  auto stride = static_cast<int64_t>(0.618034 * static_cast<double>(count));
  while (std::gcd(stride, count) != 1) ++stride;
  return stride;
}

}  // namespace

int64_t MostStrips(int64_t windows, bool takes_tall) {
  // A few windows less may be cut into more strips: how many repeats with the height of a tall one,
  // and 4 short strips are as many as are ever taken instead.
  int64_t most = 1;
  constexpr int64_t kPeriod = kForwardRowTiles * kTileWindows;
  for (int64_t less = 0; less < kPeriod && less < windows; less += kTileWindows) {
    most = std::max(most, StripsOf(windows - less, takes_tall).count);
  }
  return most;
}

int64_t CoveredWindows(int64_t windows, bool takes_tall) {
  int64_t most = 0;
  constexpr int64_t kPeriod = kForwardRowTiles * kTileWindows;
  for (int64_t less = 0; less < kPeriod && less < windows; less += kTileWindows) {
    const Strips strips = StripsOf(windows - less, takes_tall);
    const Strip last = StripAt(strips, strips.count - 1);
    most = std::max(most, last.first + last.height);
  }
  return most;
}

ForwardPlan PlanForward(const ForwardProblem& problem, const ForwardDevice& device) {
  ForwardPlan plan = {};
  const int64_t room = device.shared_bytes - problem.block_bytes;
  int64_t tile_bytes = problem.tile_bytes + problem.weight_bytes;
  int64_t fitting = room < 0 ? 0 : room / tile_bytes;
  const int64_t fewest = problem.keeps_weights ? 1 : std::min(kFewestTiles, problem.tile_count);
  plan.shares_weights = problem.weight_bytes > 0 && fitting >= fewest;
  if (problem.weight_bytes > 0 && !plan.shares_weights && !problem.keeps_weights) {
    tile_bytes = problem.tile_bytes;
    fitting = room < 0 ? 0 : room / tile_bytes;
  }
  if (fitting < 1) return plan;
  plan.strips = problem.has_lengths
                    ? MostStrips(problem.window_count, device.takes_tall)
                    : std::max<int64_t>(StripsOf(problem.window_count, device.takes_tall).count, 1);
  ChooseChunks(problem, &plan);
  const int64_t items = std::max<int64_t>(plan.chunk_sequences * plan.chunk_strips, 1);
  const int64_t resident = static_cast<int64_t>(device.multiprocessors) * device.resident_blocks;
  const int64_t blocks = std::min(resident, items * problem.tile_count);
  plan.block_count = static_cast<int32_t>(blocks);
  const int64_t slices = BestSlices(items, problem.tile_count,
                                    CeilDivide(problem.tile_count, fitting), blocks, device.warps);
  plan.slice_count = static_cast<int32_t>(slices);
  plan.slice_tiles = static_cast<int32_t>(CeilDivide(problem.tile_count, slices));
  plan.shared_bytes = problem.block_bytes + plan.slice_tiles * tile_bytes;
  return plan;
}

ForwardScratch ScratchOf(const ForwardPlan& plan, int64_t row_sums) {
  ForwardScratch scratch = {};
  if (plan.slice_count == 0 || plan.strips == 1) return scratch;
  scratch.strip_sums = plan.chunk_sequences * plan.chunk_strips * row_sums;
  if (plan.strips > kSumStrips) {
    scratch.group_sums =
        plan.chunk_sequences * CeilDivide(plan.chunk_strips, kSumStrips) * row_sums;
  }
  if (plan.chunk_strips < plan.strips) scratch.carried = 2 * row_sums;
  return scratch;
}

ForwardSplit SplitForward(const ForwardPlan& plan, int64_t tile_count, int64_t sequences,
                          int64_t strips) {
  return {sequences, strips, ScatterStride(sequences), static_cast<int32_t>(tile_count),
          plan.slice_count};
}

ForwardLoad BusiestWarp(const ForwardSplit& split, int block_count, int warps) {
  ForwardLoad busiest = {};
  for (int block = 0; block < block_count; ++block) {
    const UnitRange own = ShareOf({0, UnitCount(split)}, block, block_count);
    ForwardLoad load[64] = {};
    for (int64_t begin = own.begin; begin < own.end;) {
      const int32_t slice = SliceOf(split, begin);
      const UnitRange whole = SliceUnits(split, slice);
      const UnitRange part = {begin, std::min(own.end, whole.end)};
      const int32_t tiles = SliceTiles(split, slice);
      for (int warp = 0; warp < warps; ++warp) {
        const UnitRange units = ShareOf(part, warp, warps);
        ++load[warp].slices;
        if (units.begin == units.end) continue;
        load[warp].units += units.end - units.begin;
        load[warp].items +=
            (units.end - 1 - whole.begin) / tiles + 1 - (units.begin - whole.begin) / tiles;
      }
      begin = part.end;
    }
    for (const ForwardLoad& each : load) {
      if (each.units > busiest.units ||
          (each.units == busiest.units && each.items > busiest.items)) {
        busiest = each;
      }
    }
  }
  return busiest;
}

}  // namespace cisreg::gpu
