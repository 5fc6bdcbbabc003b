#include "pairs/layout.h"

#include <algorithm>

namespace cisreg::pairs {
namespace {

// Floats of the sites of a chunk: 512 KiB. Gradients take as many again.
constexpr int64_t kChunkFloats = int64_t{1} << 17;
// Small problems have smaller chunks, so that more than one thread has work.
constexpr int64_t kFewChunks = 32;
constexpr int64_t kMaxSlices = 32;
// Windows that a slice has at least: it folds the gradients of all motifs once, however few.
constexpr int64_t kSliceWindows = 1024;
// Floats that the slices' gradients may take together while they wait for the final sum: 16 MiB.
constexpr int64_t kMaxPartials = int64_t{1} << 22;

int64_t RoundUp(int64_t x, int64_t unit) { return (x + unit - 1) / unit * unit; }

// One for each knot that the sites of a sequence reach.
std::vector<Tap> TapsByKnot(const Inputs& inputs, int64_t spacing, int64_t windows) {
  std::vector<Tap> taps;
  for (int64_t knot = 0; knot < inputs.knot_count; ++knot) {
    const int64_t place = (knot + 1) * spacing - inputs.distance;
    if (std::abs(place) > windows + spacing - 2) continue;
    taps.push_back({static_cast<int32_t>(place), {static_cast<int32_t>(knot), 0}, {1.0f, 0.0f}});
  }
  return taps;
}

// One for each distance of two windows of a sequence at which there are effects.
std::vector<Tap> TapsByDistance(const Inputs& inputs, int64_t spacing, int64_t windows) {
  std::vector<Tap> taps;
  const int64_t farthest = std::min(inputs.distance, windows) - 1;
  for (int64_t place = -farthest; place <= farthest; ++place) {
    const int64_t right = (place + inputs.distance) / spacing;  // the knot there or behind it
    const int64_t behind = (place + inputs.distance) % spacing;
    const float of_right = static_cast<float>(behind) / static_cast<float>(spacing);
    Tap tap = {static_cast<int32_t>(place), {0, 0}, {0.0f, 0.0f}};
    if (right >= 1) tap.knot[0] = static_cast<int32_t>(right - 1), tap.share[0] = 1.0f - of_right;
    if (right < inputs.knot_count)
      tap.knot[1] = static_cast<int32_t>(right), tap.share[1] = of_right;
    taps.push_back(tap);
  }
  return taps;
}

std::vector<int32_t> PlacesOf(const std::vector<Tap>& taps) {
  std::vector<int32_t> places;
  for (const Tap& tap : taps) places.push_back(tap.place);
  return places;
}

class Builder {
 public:
  Builder(const OccupancyShape& shape, const Inputs& inputs, const MotifLayout& motifs)
      : inputs_(inputs),
        motifs_(motifs),
        place_(shape.motif_count),
        source_of_(2 * kStrands * motifs.block_motif.size(), -1) {
    for (int64_t i = shape.motif_count - 1; i >= 0; --i) place_[motifs.block_motif[i]] = i;
    const int64_t windows = shape.window_count;
    layout_.spacing = 2 * inputs.distance / (inputs.knot_count + 1);
    by_knot_ = layout_.spacing > 1 && layout_.spacing < windows;
    for (int64_t away = 0; by_knot_ && away < layout_.spacing; ++away) {
      layout_.share.push_back(1.0f -
                              static_cast<float>(away) / static_cast<float>(layout_.spacing));
    }
    if (by_knot_) layout_.by_knot = TapsByKnot(inputs, layout_.spacing, windows);
    layout_.by_distance = TapsByDistance(inputs, layout_.spacing, windows);
    layout_.knot_place = PlacesOf(layout_.by_knot);
    layout_.distance_place = PlacesOf(layout_.by_distance);
    int64_t farthest = by_knot_ ? layout_.spacing - 1 : 0;
    for (const auto* places : {&layout_.knot_place, &layout_.distance_place}) {
      for (const int64_t place : *places) farthest = std::max(farthest, std::abs(place));
    }
    layout_.margin = RoundUp(farthest, kMostLanes);
    // Widened rows reach as far beyond the windows as the sites that they read lie beyond them.
    layout_.site_margin = by_knot_ ? RoundUp(2 * (layout_.spacing - 1), kMostLanes) : 0;
    layout_.source_stride = 2 * layout_.margin + RoundUp(windows, kMostLanes) + kMostLanes;
  }

  PairLayout Build() {
    for (int64_t i = 0; i < inputs_.pair_count; ++i) AddPair(i);
    return std::move(layout_);
  }

 private:
  void AddPair(int64_t number) {
    const int64_t first = place_[inputs_.pair[2 * number]];
    const int64_t second = place_[inputs_.pair[2 * number + 1]];
    if (IsAbsent(first) || IsAbsent(second)) return;
    Pair pair = {};
    pair.number = number;
    pair.itself = first == second;
    pair.by_knot = by_knot_ && !pair.itself;
    pair.weight = pair.itself ? 0.5f : 1.0f;
    pair.effect_at = static_cast<int64_t>(layout_.effect.size());
    for (int64_t strand = 0; strand < kStrands; ++strand) {
      pair.first_row[strand] = RowOf(first, strand);
      pair.second_row[strand] = RowOf(second, strand);
      pair.first_source[strand] = SourceOf(pair.first_row[strand], pair.by_knot);
      pair.second_source[strand] = SourceOf(pair.second_row[strand], pair.by_knot);
    }
    const std::vector<Tap>& taps = layout_.taps(pair);
    for (int64_t orientation = 0; orientation < kOrientations; ++orientation) {
      const float* knots =
          inputs_.effect + (number * kOrientations + orientation) * inputs_.knot_count;
      for (const Tap& tap : taps) layout_.effect.push_back(EffectOf(pair, tap, knots));
    }
    layout_.pairs.push_back(pair);
  }

  static float EffectOf(const Pair& pair, const Tap& tap, const float* knots) {
    if (pair.itself && tap.place == 0) return 0.0f;
    float effect = 0.0f;
    for (int i = 0; i < 2; ++i) {
      if (tap.share[i] != 0.0f) effect += tap.share[i] * knots[tap.knot[i]];
    }
    return pair.weight * effect;
  }

  bool IsAbsent(int64_t place) const {
    return !motifs_.block_absent.empty() && motifs_.block_absent[place] != 0;
  }

  static int64_t RowOf(int64_t place, int64_t strand) {
    return place / kBlockMotifs * kBlockSites + strand * kBlockMotifs + place % kBlockMotifs;
  }

  int64_t SourceOf(int64_t row, bool is_wide) {
    int64_t& at = source_of_[2 * row + is_wide];
    if (at < 0) {
      at = static_cast<int64_t>(layout_.sources.size());
      layout_.sources.push_back({row, is_wide});
    }
    return at;
  }

  const Inputs& inputs_;
  const MotifLayout& motifs_;
  std::vector<int64_t> place_;      // of each motif among those of the blocks
  std::vector<int64_t> source_of_;  // each row, plain and wide; -1: none yet
  bool by_knot_;
  PairLayout layout_;
};

}  // namespace

PairLayout MakePairLayout(const OccupancyShape& shape, const Inputs& inputs,
                          const MotifLayout& motifs) {
  return Builder(shape, inputs, motifs).Build();
}

ChunkPlan MakeChunkPlan(const OccupancyShape& shape, const OccupancyPlan& plan,
                        const PairLayout& layout, int64_t partial_floats) {
  ChunkPlan chunks = {};
  const int64_t windows = shape.window_count;
  chunks.lead = layout.site_margin;
  // Windows in flight, and vectors, may lie behind the last window.
  chunks.pitch = RoundUp(windows, kMostLanes) + layout.site_margin + kMostLanes;
  const int64_t of_tile = (plan.tile_rows - plan.pad_rows) / (windows + plan.pad_rows + 1);
  const int64_t of_cache = kChunkFloats / (plan.block_count * kBlockSites * chunks.pitch);
  const int64_t of_threads = shape.sequence_count / kFewChunks;
  chunks.sequences = std::max<int64_t>(1, std::min({of_tile, of_cache, of_threads}));
  chunks.chunks = (shape.sequence_count + chunks.sequences - 1) / chunks.sequences;
  // Rows do not begin a power of two apart, where they would share lines of the cache.
  chunks.row_stride = chunks.lead + chunks.sequences * chunks.pitch;
  if (chunks.row_stride % 128 == 0) chunks.row_stride += kMostLanes;
  const int64_t most =
      std::min(kMaxPartials / partial_floats, shape.sequence_count * windows / kSliceWindows);
  chunks.slices = std::min(chunks.chunks, std::clamp<int64_t>(most, 1, kMaxSlices));
  return chunks;
}

}  // namespace cisreg::pairs
