#include "exclusive/layout.h"

#include <algorithm>
#include <cmath>

#include "exclusive/footprints.h"
#include "occupancy/windows.h"

namespace cisreg::exclusive {
namespace {

// Sums of odds of so many places and 25 widths take 200 KB, and the gradients of as many rows 128.
constexpr int64_t kChunkPlaces = 2048;
// Small problems have smaller chunks, so that more than one thread has work.
constexpr int64_t kFewChunks = 32;
constexpr int64_t kMaxSlices = 32;
// Places that a slice has at least: it folds the gradients of all motifs once, however few.
constexpr int64_t kSlicePlaces = 1024;
// Floats that the slices' gradients may take together while they wait for the final sum: 16 MiB.
constexpr int64_t kMaxPartials = int64_t{1} << 22;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

void GroupSites(const OccupancyShape& shape, const MotifLayout& motifs,
                const Footprints& footprints, int lanes, FootprintLayout* layout) {
  std::vector<SiteGroup>& groups = layout->groups;
  const int64_t blocks = static_cast<int64_t>(motifs.block_motif.size()) / kBlockMotifs;
  for (int64_t i = 0; i < blocks * kBlockSites; ++i) {
    if (i % lanes == 0) layout->part_group.push_back(static_cast<int64_t>(groups.size()));
    const auto site = static_cast<int>(i % kBlockSites);
    const int64_t place = i / kBlockSites * kBlockMotifs + site % kBlockMotifs;
    if (place >= shape.motif_count) continue;
    if (!motifs.block_absent.empty() && motifs.block_absent[place] != 0) continue;
    const int64_t motif = motifs.block_motif[place];
    const int32_t offset = footprints.Offset(motif, site / kBlockMotifs);
    const int32_t index = footprints.WidthIndex(footprints.of_motif[motif].width);
    const auto same = [&](const SiteGroup& group) {
      return group.offset == offset && group.width_index == index;
    };
    auto found = std::find_if(groups.begin() + layout->part_group.back(), groups.end(), same);
    if (found == groups.end()) found = groups.insert(found, {offset, index, {}, 0, {}});
    found->live[i % lanes] = 1.0f;
    found->sites[found->site_count++] = static_cast<uint8_t>(site);
  }
  layout->part_group.push_back(static_cast<int64_t>(groups.size()));
}

}  // namespace

FootprintLayout MakeFootprintLayout(const OccupancyShape& shape, const Inputs& inputs,
                                    const MotifLayout& motifs, int lanes) {
  FootprintLayout layout;
  const Footprints footprints = FindFootprints(shape, inputs);
  layout.widths = footprints.widths;
  layout.reach = footprints.reach;
  layout.first_base = footprints.first_base;
  for (int64_t i = 0; i < inputs.competitor_count; ++i) {
    const int32_t width = inputs.competitor_width[i];
    const double power =
        std::min<double>(inputs.competitor_log_odds[i] / std::log(2.0), kStrongestPower);
    layout.competitors.push_back(
        {width, footprints.WidthIndex(width), static_cast<float>(std::exp2(power))});
  }
  GroupSites(shape, motifs, footprints, lanes, &layout);
  return layout;
}

int64_t PlaceCount(const OccupancyShape& shape, const OccupancyInputs& inputs,
                   const FootprintLayout& layout, int64_t sequence) {
  // From window 0 on, whatever the span.
  const int64_t bases = SequenceLength(shape, inputs, sequence);
  const int64_t windows = shape.window_count - (shape.length - bases);
  const bool is_empty = layout.competitors.empty() ? windows <= 0 : bases == 0;
  return is_empty ? 0 : windows - 1 + layout.reach;
}

ChunkPlan MakeChunkPlan(const OccupancyShape& shape, const OccupancyInputs& inputs,
                        const FootprintLayout& layout, int64_t partial_floats) {
  ChunkPlan plan = {};
  for (int64_t i = 0; i < shape.sequence_count; ++i) {
    const int64_t places = PlaceCount(shape, inputs, layout, i);
    plan.place_count += places;
    plan.most_places_of_one = std::max(plan.most_places_of_one, places);
  }
  const int64_t most = std::clamp<int64_t>(plan.place_count / kFewChunks, 1, kChunkPlaces);
  int64_t places = 0;
  for (int64_t i = 0; i < shape.sequence_count; ++i) {
    const int64_t added = PlaceCount(shape, inputs, layout, i);
    const int64_t sequences = i - (plan.first_sequence.empty() ? 0 : plan.first_sequence.back());
    if (plan.first_sequence.empty() || places + added > most || sequences >= kChunkPlaces) {
      plan.first_sequence.push_back(i);
      places = 0;
    }
    places += added;
    plan.most_places = std::max(plan.most_places, places);
    plan.most_sequences = std::max(plan.most_sequences, i + 1 - plan.first_sequence.back());
  }
  plan.first_sequence.push_back(shape.sequence_count);

  const int64_t chunks = plan.chunk_count();
  const int64_t most_slices =
      std::min(kMaxPartials / partial_floats, plan.place_count / kSlicePlaces);
  const int64_t slices = std::min(chunks, std::clamp<int64_t>(most_slices, 1, kMaxSlices));
  for (int64_t slice = 0; slice <= slices; ++slice) {
    plan.first_chunk.push_back(slices == 0 ? 0 : CeilDivide(chunks * slice, slices));
  }
  return plan;
}

}  // namespace cisreg::exclusive
