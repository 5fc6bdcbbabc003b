#include <algorithm>
#include <array>
#include <atomic>

#include "common/parallel.h"
#include "scan/filter_set.h"
#include "scan/kmers.h"
#include "scan/scan.h"
#include "scan/site.h"

namespace cisreg::scan {
namespace {

// Candidates of a chunk that are expected at most; where sites are dense, chunks are shorter.
constexpr double kChunkCandidates = 1 << 20;
constexpr int64_t kFewestWindows = 256;

int64_t ChunkWindows(double candidates_per_window) {
  int64_t windows = Chunk::kWindows;
  while (windows > kFewestWindows && windows * candidates_per_window > kChunkCandidates) {
    windows /= 2;
  }
  return windows;
}

// What one thread works with.
struct Desk {
  Chunk chunk;
  std::vector<uint32_t> windows = std::vector<uint32_t>(Chunk::kWindows);
  std::vector<Hit> found;
  std::vector<Hit> spare;
  // Sequences that the chunk may meet.
  int64_t first_sequence;
  int64_t end_sequence;
};

// Stable radix sort in two passes, so that sites at one offset stay sorted by lane.
void SortByOffset(Desk* desk) {
  constexpr int kBits = 7, kBuckets = 1 << kBits;
  static_assert(Chunk::kWindows <= kBuckets * kBuckets);
  desk->spare.resize(desk->found.size());
  for (int shift = 0; shift < 2 * kBits; shift += kBits) {
    const auto bucket = [shift](const Hit& hit) { return hit.offset >> shift & (kBuckets - 1); };
    std::array<size_t, kBuckets + 1> place = {};
    for (const Hit& hit : desk->found) ++place[bucket(hit) + 1];
    for (int i = 0; i < kBuckets; ++i) place[i + 1] += place[i];
    for (const Hit& hit : desk->found) desk->spare[place[bucket(hit)]++] = hit;
    std::swap(desk->found, desk->spare);
  }
}

}  // namespace

struct HitScanner::Prepared {
  Prepared(const Problem& of, const FilterKernels& with, const float* limits,
           const Distributions* distributions_of)
      : problem(of),
        kernels(with),
        limit(limits, limits + kStrands * of.motif_count),
        distributions(distributions_of),
        kmers(with.kmer_length),
        filters(problem, kernels, kmers),
        matrices(problem, distributions) {
    filters.MakeForLimits(limit.data());
    chunk_windows = ChunkWindows(filters.expected_candidates());
  }

  const Problem problem;
  const FilterKernels& kernels;
  const std::vector<float> limit;  // [2, M]
  const Distributions* distributions;
  const KmerNumbering kmers;
  FilterSet filters;
  const SiteMatrices matrices;
  int64_t chunk_windows;
};

class HitScanner::Search {
 public:
  Search(const Prepared& prepared, const Text& text, const HitRange& range)
      : prepared_(prepared), problem_(prepared.problem), text_(text), range_(range) {}

  std::optional<ChunkedHits> Run(int threads, const Interrupted& interrupted) {
    const int64_t windows = prepared_.chunk_windows;
    const int64_t all = std::max<int64_t>(range_.end_window - range_.first_window, 0);
    const int64_t count = (all + windows - 1) / windows;
    ChunkedHits hits = {range_.first_window, windows, std::vector<std::vector<Hit>>(count), 0};
    std::vector<char> done(count, 0);
    const bool finished = ShareOut(count, threads, interrupted, [&](const NextItem& next) {
      Desk desk;
      for (int64_t i = next(); i >= 0; i = next()) {
        // The first chunk is always scanned, so that there is progress.
        if (i > 0 && total_.load(std::memory_order_relaxed) > range_.enough) return;
        SearchChunk(range_.first_window + i * windows, &desk);
        hits.chunks[i].assign(desk.found.begin(), desk.found.end());
        total_.fetch_add(hits.chunks[i].size(), std::memory_order_relaxed);
        done[i] = 1;
      }
    });
    if (!finished) return std::nullopt;
    const int64_t whole = std::find(done.begin(), done.end(), 0) - done.begin();
    hits.chunks.resize(whole);
    hits.end_window = std::min(range_.first_window + whole * windows, range_.end_window);
    return hits;
  }

 private:
  void SearchChunk(int64_t first, Desk* desk) const {
    desk->found.clear();
    desk->chunk.Load(text_, prepared_.kmers, problem_.width, first,
                     std::min(prepared_.chunk_windows, range_.end_window - first));
    desk->first_sequence = text_.SequenceAt(first);
    desk->end_sequence = std::lower_bound(text_.first.begin() + desk->first_sequence,
                                          text_.first.end(), first + desk->chunk.count) -
                         text_.first.begin();
    for (int strand = 0; strand < kStrands; ++strand) {
      for (const MotifFilter& motif : prepared_.filters.motifs()) SearchLane(motif, strand, desk);
    }
    SortByOffset(desk);
  }

  void SearchLane(const MotifFilter& motif, int strand, Desk* desk) const {
    const int64_t lane = strand * problem_.motif_count + motif.motif;
    const int64_t other = (1 - strand) * problem_.motif_count + motif.motif;
    const float limit = prepared_.limit[lane];
    if (!(limit >= motif.strongest - motif.rounding)) return;
    const Chunk& chunk = desk->chunk;
    const int64_t count = std::min(chunk.count, text_.total - motif.width + 1 - chunk.begin);
    if (count <= 0) return;
    // Penalties are scaled so that the higher of both strands' limits is the largest byte.
    const uint8_t largest =
        limit < prepared_.limit[other] ? motif.LargestPenalty(limit) : kSaturated - 1;
    const int64_t passed =
        prepared_.kernels.select(motif.strand[strand], chunk.codes.data(), count, chunk.any_unknown,
                                 std::min<uint8_t>(largest, kSaturated - 1), desk->windows.data());
    const Distributions* distributions = prepared_.distributions;
    for (int64_t i = 0; i < passed; ++i) {
      const uint8_t* window = text_.codes + chunk.begin + desk->windows[i];
      const float log_kd = prepared_.matrices.LogKd(lane, window);
      if (!(log_kd <= limit) || !IsSite(lane, window, *desk)) continue;
      double p_value = 1;
      if (distributions != nullptr) {
        const int64_t score = prepared_.matrices.Score(lane, window);
        if (!distributions->PValue(motif.motif, strand, score, &p_value)) continue;
      }
      desk->found.push_back({p_value, desk->windows[i], static_cast<uint32_t>(lane), log_kd});
    }
  }

  // Whether a window of the text is a site: it lies within one sequence, not in padding or across
  // two of them, and has no unknown base if such windows are skipped.
  bool IsSite(int64_t lane, const uint8_t* window, const Desk& desk) const {
    const int64_t begin = window - text_.codes;
    const auto first_end = text_.end.begin() + desk.first_sequence;
    const auto last_end = text_.end.begin() + desk.end_sequence;
    const int64_t sequence = std::upper_bound(first_end, last_end, begin) - text_.end.begin();
    return sequence < desk.end_sequence && begin >= text_.first[sequence] &&
           begin + prepared_.matrices.width(lane) <= text_.end[sequence] &&
           !(problem_.unknown == Unknown::kSkip && prepared_.matrices.HasUnknown(lane, window));
  }

  const Prepared& prepared_;
  const Problem& problem_;
  const Text& text_;
  const HitRange range_;
  std::atomic<int64_t> total_{0};
};

int64_t ChunkedHits::count() const {
  int64_t sum = 0;
  for (const std::vector<Hit>& chunk : chunks) sum += static_cast<int64_t>(chunk.size());
  return sum;
}

HitScanner::HitScanner(const Problem& problem, const FilterKernels& kernels, const float* limit,
                       const Distributions* distributions)
    : prepared_(std::make_unique<Prepared>(problem, kernels, limit, distributions)) {}

HitScanner::~HitScanner() = default;

std::optional<ChunkedHits> HitScanner::Find(const Text& text, const HitRange& range, int threads,
                                            const Interrupted& interrupted) const {
  return Search(*prepared_, text, range).Run(threads, interrupted);
}

void HitScanner::Write(const Text& text, const ChunkedHits& hits, const HitArrays& arrays,
                       int threads) const {
  const int64_t motifs = prepared_->problem.motif_count;
  std::vector<int64_t> first(hits.chunks.size() + 1, 0);
  for (size_t i = 0; i < hits.chunks.size(); ++i) first[i + 1] = first[i] + hits.chunks[i].size();
  const Interrupted never = [] { return false; };
  ShareOut(hits.chunks.size(), threads, never, [&](const NextItem& next) {
    for (int64_t chunk = next(); chunk >= 0; chunk = next()) {
      const int64_t origin = hits.first_window + chunk * hits.chunk_windows;
      int64_t sequence = text.SequenceAt(origin);
      int64_t i = first[chunk];
      for (const Hit& hit : hits.chunks[chunk]) {
        const int64_t begin = origin + hit.offset;
        while (begin >= text.end[sequence]) ++sequence;
        const bool reverse = hit.lane >= motifs;
        arrays.sequence[i] = sequence;
        arrays.position[i] = begin - text.first[sequence];
        arrays.strand[i] = reverse;
        arrays.motif[i] = static_cast<int32_t>(hit.lane - (reverse ? motifs : 0));
        arrays.log_kd[i] = hit.log_kd;
        if (arrays.p_value != nullptr) arrays.p_value[i] = hit.p_value;
        ++i;
      }
    }
  });
}

}  // namespace cisreg::scan
