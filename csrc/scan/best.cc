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
  BestSearch(const Problem& problem, const Text& text, const FilterKernels& kernels,
             const BestSiteArrays& arrays)
      : problem_(problem),
        text_(text),
        kernels_(kernels),
        kmers_(kernels.kmer_length),
        filters_(problem, kernels, kmers_),
        matrices_(problem, nullptr),
        arrays_(arrays) {
    filters_.MakeForStrongest();
    const int64_t count = text.sequence_count() * problem.motif_count;
    for (int64_t i = 0; i < count; ++i) Write(i, kNoSite);
  }

  bool Run(int threads, const Interrupted& interrupted) {
    const int64_t chunks = (text_.total + Chunk::kWindows - 1) / Chunk::kWindows;
    return ShareOut(chunks, threads, interrupted, [&](const NextItem& next) {
      Desk desk;
      for (int64_t i = next(); i >= 0; i = next()) {
        desk.chunk.Load(text_, kmers_, problem_.width, i * Chunk::kWindows, Chunk::kWindows);
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
    const int64_t first = text_.SequenceAt(chunk.begin), chunk_end = chunk.begin + chunk.count;
    int64_t end = first;
    while (end < text_.sequence_count() && text_.first[end] < chunk_end) ++end;
    const int64_t motifs = problem_.motif_count, entries = (end - first) * motifs;
    desk->best.resize(entries);
    {
      // Sites found by other chunks of the first and the last sequence save work.
      const std::lock_guard<std::mutex> lock(mutex_);
      for (int64_t i = 0; i < entries; ++i) desk->best[i] = Read(first * motifs + i);
    }
    for (const MotifFilter& motif : filters_.motifs()) {
      for (int64_t sequence = first; sequence < end; ++sequence) {
        const int64_t begin = std::max(text_.first[sequence], chunk.begin);
        const int64_t behind = std::min(text_.end[sequence] - motif.width + 1, chunk_end);
        if (begin >= behind) continue;
        SearchSequence(motif, sequence, begin, behind - begin, desk,
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
  void SearchSequence(const MotifFilter& motif, int64_t sequence, int64_t begin, int64_t count,
                      Desk* desk, BestSite* best) const {
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
        const BestSite site = {window - text_.first[sequence],
                               matrices_.LogKd(lane, text_.codes + window),
                               static_cast<int8_t>(strand)};
        if (Better(site, *best)) *best = site;
      }
    }
  }

  const Problem& problem_;
  const Text& text_;
  const FilterKernels& kernels_;
  const KmerNumbering kmers_;
  FilterSet filters_;
  const SiteMatrices matrices_;
  const BestSiteArrays arrays_;
  std::mutex mutex_;
};

}  // namespace

bool FindBestSites(const Problem& problem, const Text& text, const FilterKernels& kernels,
                   const BestSiteArrays& arrays, int threads, const Interrupted& interrupted) {
  return BestSearch(problem, text, kernels, arrays).Run(threads, interrupted);
}

}  // namespace cisreg::scan
