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

// What one thread works with.
struct Desk {
  Chunk chunk;
  std::vector<uint32_t> windows = std::vector<uint32_t>(Chunk::kWindows);
  std::vector<Hit> found;
  std::vector<Hit> spare;
};

class HitSearch {
 public:
  HitSearch(const Problem& problem, const FilterKernels& kernels, const float* threshold,
            int64_t limit)
      : problem_(problem),
        kernels_(kernels),
        threshold_(threshold),
        limit_(limit),
        kmers_(kernels.kmer_length),
        filters_(problem, kernels, kmers_),
        matrices_(problem) {
    filters_.MakeForThresholds(threshold);
  }

  std::optional<ChunkedHits> Run(int threads, const Interrupted& interrupted) {
    ChunkedHits chunks(ChunkCount(problem_));
    const bool done = ShareOut(chunks.size(), threads, interrupted, [&](const NextItem& next) {
      Desk desk;
      for (int64_t i = next(); i >= 0 && !TooMany(); i = next()) {
        SearchChunk(i, &desk);
        chunks[i].assign(desk.found.begin(), desk.found.end());
      }
    });
    if (!done || TooMany()) return std::nullopt;
    return chunks;
  }

 private:
  bool TooMany() const { return total_.load(std::memory_order_relaxed) > limit_; }

  void SearchChunk(int64_t index, Desk* desk) {
    desk->found.clear();
    desk->chunk.Load(problem_, kmers_, index);
    for (int strand = 0; strand < kStrands; ++strand) {
      for (const MotifFilter& motif : filters_.motifs()) {
        SearchLane(motif, strand, desk);
        if (TooMany()) return;
      }
    }
    SortByOffset(desk);
  }

  void SearchLane(const MotifFilter& motif, int strand, Desk* desk) {
    const Chunk& chunk = desk->chunk;
    const int64_t total = problem_.sequence_count * problem_.length;
    const int64_t count = std::min(chunk.count, total - motif.width + 1 - chunk.begin);
    if (count <= 0) return;
    const int64_t passed = kernels_.select(motif.strand[strand], chunk.codes.data(), count,
                                           chunk.any_unknown, kSaturated - 1, desk->windows.data());
    const int64_t lane = strand * problem_.motif_count + motif.motif;
    const size_t before = desk->found.size();
    for (int64_t i = 0; i < passed; ++i) {
      const int64_t begin = chunk.begin + desk->windows[i];
      const float log_kd = matrices_.LogKd(lane, problem_.sequence + begin);
      if (log_kd <= threshold_[motif.motif] && IsSite(lane, begin)) {
        desk->found.push_back({desk->windows[i], static_cast<uint32_t>(lane), log_kd});
      }
    }
    total_.fetch_add(desk->found.size() - before, std::memory_order_relaxed);
  }

  // Whether the window that begins at base `begin` of the joined rows is a site: it lies within one
  // sequence, not in padding or across two rows, and has no unknown base if such windows are
  // skipped.
  bool IsSite(int64_t lane, int64_t begin) const {
    const int64_t row = begin / problem_.length, position = begin % problem_.length;
    return position >= problem_.first(row) &&
           position + matrices_.width(lane) <= problem_.end(row) &&
           !(problem_.unknown == Unknown::kSkip &&
             matrices_.HasUnknown(lane, problem_.sequence + begin));
  }

  // Stable radix sort in two passes, so that sites at one offset stay sorted by lane.
  static void SortByOffset(Desk* desk) {
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

  const Problem& problem_;
  const FilterKernels& kernels_;
  const float* threshold_;
  const int64_t limit_;
  const KmerNumbering kmers_;
  FilterSet filters_;
  const SiteMatrices matrices_;
  std::atomic<int64_t> total_{0};
};

}  // namespace

std::optional<ChunkedHits> FindHits(const Problem& problem, const FilterKernels& kernels,
                                    const float* threshold, int64_t limit, int threads,
                                    const Interrupted& interrupted) {
  return HitSearch(problem, kernels, threshold, limit).Run(threads, interrupted);
}

void WriteHits(const Problem& problem, const ChunkedHits& chunks, const HitArrays& arrays,
               int threads) {
  std::vector<int64_t> first(chunks.size() + 1, 0);
  for (size_t i = 0; i < chunks.size(); ++i) first[i + 1] = first[i] + chunks[i].size();
  const Interrupted never = [] { return false; };
  ShareOut(chunks.size(), threads, never, [&](const NextItem& next) {
    for (int64_t chunk = next(); chunk >= 0; chunk = next()) {
      int64_t sequence = chunk * Chunk::kWindows / problem.length;
      int64_t i = first[chunk];
      for (const Hit& hit : chunks[chunk]) {
        const int64_t begin = chunk * Chunk::kWindows + hit.offset;
        while (begin >= (sequence + 1) * problem.length) ++sequence;
        const bool reverse = hit.lane >= problem.motif_count;
        arrays.sequence[i] = sequence;
        arrays.position[i] = begin - sequence * problem.length;
        arrays.strand[i] = reverse;
        arrays.motif[i] = static_cast<int32_t>(hit.lane - (reverse ? problem.motif_count : 0));
        arrays.log_kd[i] = hit.log_kd;
        ++i;
      }
    }
  });
}

}  // namespace cisreg::scan
