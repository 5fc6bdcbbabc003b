// The planners for tests: numbers in, numbers out.

#include <string>

#include "plan_forward.h"

namespace {

using namespace cisreg::gpu;

ForwardProblem ProblemOf(const int64_t* given) {
  return {given[0], given[1], given[2] != 0, given[3], given[4],
          given[5], given[6], false,         given[7]};
}

ForwardDevice DeviceOf(const int64_t* given) {
  return {static_cast<int>(given[0]), given[1], given[2] != 0, static_cast<int>(given[3]),
          static_cast<int>(given[4])};
}

}  // namespace

extern "C" {

// First window and height of each strip; returns how many there are in strips[0].
const char* cisreg_plan_strips(int64_t* count, int64_t* strips, int64_t windows,
                               int64_t takes_tall) {
  const Strips split = StripsOf(windows, takes_tall != 0);
  count[0] = split.count;
  count[1] = MostStrips(windows, takes_tall != 0);
  for (int64_t i = 0; i < split.count; ++i) {
    const Strip strip = StripAt(split, i);
    strips[2 * i] = strip.first;
    strips[2 * i + 1] = strip.height;
  }
  return "";
}

// Windows that the strips of a sequence of so many windows, or fewer, cover.
const char* cisreg_plan_covered(int64_t* covered, int64_t windows, int64_t takes_tall) {
  covered[0] = CoveredWindows(windows, takes_tall != 0);
  return "";
}

// The plan, the scratch, and what the busiest warp of the first launch does.
const char* cisreg_plan_forward(const int64_t* problem, const int64_t* device, int64_t* answer) {
  const ForwardProblem asked = ProblemOf(problem);
  const ForwardPlan plan = PlanForward(asked, DeviceOf(device));
  const ForwardScratch scratch = ScratchOf(plan, asked.row_sums);
  const int64_t numbers[] = {plan.slice_count,  plan.slice_tiles,     plan.block_count,
                             plan.strips,       plan.chunk_sequences, plan.chunk_strips,
                             plan.shared_bytes, scratch.strip_sums,   scratch.group_sums,
                             scratch.carried};
  for (int i = 0; i < 10; ++i) answer[i] = numbers[i];
  answer[13] = plan.shares_weights;
  if (plan.slice_count == 0) return "";
  const ForwardSplit split =
      SplitForward(plan, asked.tile_count, plan.chunk_sequences, plan.chunk_strips);
  const ForwardLoad load = BusiestWarp(split, plan.block_count, static_cast<int>(device[3]));
  answer[10] = load.units;
  answer[11] = load.items;
  answer[12] = load.slices;
  return "";
}

// How often each unit [sequence, strip, tile] is done, as the kernel goes through them.
const char* cisreg_plan_visits(int32_t* visits, int64_t sequences, int64_t strips, int64_t tiles,
                               int64_t slices, int64_t blocks, int64_t warps) {
  ForwardPlan plan = {};
  plan.slice_count = static_cast<int32_t>(slices);
  const ForwardSplit split = SplitForward(plan, tiles, sequences, strips);
  for (int64_t block = 0; block < blocks; ++block) {
    UnitRange own = ShareOf({0, UnitCount(split)}, block, blocks);
    for (int32_t slice = SliceOf(split, own.begin); own.begin < own.end; ++slice) {
      const UnitRange whole = SliceUnits(split, slice);
      const UnitRange part = {own.begin, own.end < whole.end ? own.end : whole.end};
      for (int64_t warp = 0; warp < warps; ++warp) {
        const UnitRange units = ShareOf(part, warp, warps);
        for (int64_t unit = units.begin; unit < units.end; ++unit) {
          const int64_t at = unit - whole.begin, item = at / SliceTiles(split, slice);
          // Also from item to item, as a warp goes on.
          ForwardItem found = ItemAt(split, item);
          if (unit > units.begin && at % SliceTiles(split, slice) == 0) {
            const ForwardItem next = NextItem(split, ItemAt(split, item - 1));
            if (next.sequence != found.sequence || next.strip != found.strip) {
              return "the next item is another one";
            }
          }
          const int64_t tile = slice + at % SliceTiles(split, slice) * slices;
          ++visits[(found.sequence * strips + found.strip) * tiles + tile];
        }
      }
      own.begin = part.end;
    }
  }
  return "";
}

}  // extern "C"
