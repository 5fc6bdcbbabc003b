#include <algorithm>
#include <cmath>
#include <mutex>

#include "common/parallel.h"
#include "scan/filter_set.h"
#include "scan/kmers.h"
#include "scan/scan.h"
#include "scan/site.h"

namespace cisreg::scan {
namespace {

constexpr BestSite kNoSite = {-1, INFINITY, -1};

// A total order of sites, so that the result does not depend on the order of the search.
bool Better(const BestSite& a, const BestSite& b) {
  if (a.position < 0 || b.position < 0) return a.position >= 0 && b.position < 0;
  if (a.log_kd != b.log_kd) return a.log_kd < b.log_kd;
  return a.position != b.position ? a.position < b.position : a.strand < b.strand;
}

struct Desk {
  Chunk chunk;
  std::vector<uint32_t> windows = std::vector<uint32_t>(Chunk::kWindows);
  std::vector<BestSite> best;  // of the chunk's sequences, [sequences, M]
};

class BestSearch {
 public:
  BestSearch(const Problem& problem, const FilterKernels& kernels, const BestSiteArrays& arrays)
      : problem_(problem),
        kernels_(kernels),
        kmers_(kernels.kmer_length),
        filters_(problem, kernels, kmers_),
        matrices_(problem),
        arrays_(arrays) {
    filters_.MakeForStrongest();
    const int64_t count = problem.sequence_count * problem.motif_count;
    for (int64_t i = 0; i < count; ++i) Write(i, kNoSite);
  }

  bool Run(int threads, const Interrupted& interrupted) {
    return ShareOut(ChunkCount(problem_), threads, interrupted, [&](const NextItem& next) {
      Desk desk;
      for (int64_t i = next(); i >= 0; i = next()) {
        desk.chunk.Load(problem_, kmers_, i);
        SearchChunk(&desk);
      }
    });
  }

 private:
  BestSite Read(int64_t i) const {
    return {arrays_.position[i], arrays_.log_kd[i], arrays_.strand[i]};
  }
  void Write(int64_t i, const BestSite& site) {
    arrays_.position[i] = site.position;
    arrays_.log_kd[i] = site.log_kd;
    arrays_.strand[i] = site.strand;
  }

  void SearchChunk(Desk* desk) {
    const Chunk& chunk = desk->chunk;
    const int64_t first = chunk.begin / problem_.length;
    const int64_t end = (chunk.begin + chunk.count - 1) / problem_.length + 1;
    const int64_t motifs = problem_.motif_count, entries = (end - first) * motifs;
    const int64_t total = problem_.sequence_count * problem_.length;
    desk->best.resize(entries);
    {
      // Sites found by other chunks of the first and the last sequence save work.
      const std::lock_guard<std::mutex> lock(mutex_);
      for (int64_t i = 0; i < entries; ++i) desk->best[i] = Read(first * motifs + i);
    }
    for (const MotifFilter& motif : filters_.motifs()) {
      for (int64_t sequence = first; sequence < end; ++sequence) {
        const int64_t origin = sequence * problem_.length;
        const int64_t begin = std::max(origin + problem_.first(sequence), chunk.begin);
        const int64_t behind = std::min({origin + problem_.end(sequence) - motif.width + 1,
                                         chunk.begin + chunk.count, total - motif.width + 1});
        if (begin >= behind) continue;
        SearchSequence(motif, begin, behind - begin, desk,
                       &desk->best[(sequence - first) * motifs + motif.motif]);
      }
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    for (int64_t i = 0; i < entries; ++i) {
      const int64_t entry = first * motifs + i;
      if (Better(desk->best[i], Read(entry))) Write(entry, desk->best[i]);
    }
  }

  // Looks for a better site among `count` windows of one sequence.
  void SearchSequence(const MotifFilter& motif, int64_t begin, int64_t count, Desk* desk,
                      BestSite* best) const {
    const uint8_t* codes = desk->chunk.codes.data() + (begin - desk->chunk.begin);
    uint8_t lowest[kStrands];
    for (int strand = 0; strand < kStrands; ++strand) {
      lowest[strand] = kernels_.lowest(motif.strand[strand], codes, count, desk->chunk.any_unknown);
    }
    const uint8_t lowest_of_both = std::min(lowest[0], lowest[1]);
    // Only windows that are no sites have the saturated penalty.
    const uint8_t largest =
        std::min({motif.LargestOfStrongest(lowest_of_both), motif.LargestPenalty(best->log_kd),
                  static_cast<uint8_t>(kSaturated - 1)});
    for (int strand = 0; strand < kStrands; ++strand) {
      if (lowest[strand] > largest) continue;
      const int64_t passed =
          kernels_.select(motif.strand[strand], codes, count, desk->chunk.any_unknown, largest,
                          desk->windows.data());
      const int64_t lane = strand * problem_.motif_count + motif.motif;
      for (int64_t i = 0; i < passed; ++i) {
        const int64_t window = begin + desk->windows[i];
        const BestSite site = {window % problem_.length,
                               matrices_.LogKd(lane, problem_.sequence + window),
                               static_cast<int8_t>(strand)};
        if (Better(site, *best)) *best = site;
      }
    }
  }

  const Problem& problem_;
  const FilterKernels& kernels_;
  const KmerNumbering kmers_;
  FilterSet filters_;
  const SiteMatrices matrices_;
  const BestSiteArrays arrays_;
  std::mutex mutex_;
};

}  // namespace

bool FindBestSites(const Problem& problem, const FilterKernels& kernels,
                   const BestSiteArrays& arrays, int threads, const Interrupted& interrupted) {
  return BestSearch(problem, kernels, arrays).Run(threads, interrupted);
}

}  // namespace cisreg::scan
