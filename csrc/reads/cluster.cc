#include "reads/cluster.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "common/parallel.h"
#include "reads/edit_distance.h"
#include "reads/hash_index.h"
#include "reads/segments.h"

namespace cisreg::reads {
namespace {

// Sequences that a thread takes at once.
constexpr int64_t kBlock = 256;

// Calls work(begin, end) for all of the items, block by block, in several threads.
template <class Work>
bool InBlocks(int64_t items, int threads, const cisreg::Interrupted& interrupted,
              const Work& work) {
  return ShareOut((items + kBlock - 1) / kBlock, threads, interrupted, [&](const NextItem& next) {
    for (int64_t i = next(); i >= 0; i = next()) {
      work(i * kBlock, std::min(items, (i + 1) * kBlock));
    }
  });
}

class ParentSearch {
 public:
  ParentSearch(const ClusterProblem& problem, int threads, const Interrupted& interrupted,
               int64_t* parents)
      : problem_(problem),
        threads_(threads),
        interrupted_(interrupted),
        parents_(parents),
        count_(problem.text.count),
        indexed_(count_ == 0 ? 0 : problem.candidates[count_ - 1]),
        distances_(count_, static_cast<uint8_t>(problem.differences)) {}

  ClusterOutcome Run() {
    for (int64_t i = 0; i < count_; ++i) parents_[i] = i;
    ClusterOutcome outcome = {true, -1, -1};
    if (!FindDuplicate(&outcome) || outcome.duplicate >= 0) return outcome;
    const Cuts cuts(problem_.text, indexed_, problem_.differences + 1);
    for (int segment = 0; segment <= problem_.differences && outcome.finished; ++segment) {
      outcome.finished = SearchSegment(cuts, segment);
    }
    return outcome;
  }

 private:
  // Each step has two halves: building the index and using it.
  bool Step(int64_t items, const std::function<void(int64_t, int64_t)>& work) {
    std::atomic<int64_t> done{0};
    const int half_steps = 2 * (problem_.differences + 2), before = half_steps_done_++;
    const cisreg::Interrupted asked = [&] {
      const double share = items == 0 ? 0 : static_cast<double>(done) / items;
      return interrupted_((before + share) / half_steps);
    };
    return InBlocks(items, threads_, asked, [&](int64_t begin, int64_t end) {
      work(begin, end);
      done += end - begin;
    });
  }

  template <class Hash>
  bool BuildIndex(int64_t items, const Hash& hash) {
    std::vector<uint32_t> hashes(items);
    const bool finished = Step(items, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) hashes[i] = hash(TextAt(problem_.text, i));
    });
    if (finished) index_.Build(hashes, threads_);
    return finished;
  }

  bool FindDuplicate(ClusterOutcome* outcome) {
    const auto hash = [](Text text) { return HashLetters(text.letters, text.length, 0); };
    std::atomic<int64_t> first{count_};
    outcome->finished = BuildIndex(count_, hash) && Step(count_, [&](int64_t begin, int64_t end) {
                          for (int64_t i = begin; i < end && i < first; ++i) {
                            if (FirstEqual(i, hash(TextAt(problem_.text, i))) == i) continue;
                            int64_t known = first;
                            while (i < known && !first.compare_exchange_weak(known, i)) continue;
                          }
                        });
    if (outcome->finished && first < count_) {
      outcome->duplicate = first;
      outcome->original = FirstEqual(first, hash(TextAt(problem_.text, first)));
    }
    return outcome->finished;
  }

  // The first of the sequences equal to this one, whose hash is given.
  int64_t FirstEqual(int64_t sequence, uint32_t hash) const {
    const Text text = TextAt(problem_.text, sequence);
    const HashIndex::Bucket bucket = index_.Find(hash);
    for (const HashIndex::Entry* entry = bucket.begin; entry < bucket.end; ++entry) {
      if (entry->item >= sequence) break;
      if (entry->hash != hash) continue;
      const Text other = TextAt(problem_.text, entry->item);
      if (other.length == text.length &&
          std::memcmp(other.letters, text.letters, text.length) == 0) {
        return entry->item;
      }
    }
    return sequence;
  }

  // After it, all pairs at distances of up to `segment` have been seen, 1 at least in the second.
  bool SearchSegment(const Cuts& cuts, int segment) {
    const auto hash = [&](Text text) {
      const int32_t* cut = cuts.Of(text.length) + segment;
      return HashLetters(text.letters + cut[0], cut[1] - cut[0], text.length);
    };
    return BuildIndex(indexed_, hash) && Step(count_, [&](int64_t begin, int64_t end) {
             std::vector<uint32_t> hashes;
             for (int64_t i = begin; i < end; ++i) {
               if (problem_.candidates[i] == 0 || Settled(i, segment)) continue;
               Lookups(cuts, i, segment, &hashes);
               for (const uint32_t hash : hashes) index_.PrefetchBounds(hash);
               for (const uint32_t hash : hashes) index_.PrefetchEntries(hash);
               for (const uint32_t hash : hashes) TryBucket(i, segment, hash);
             }
           });
  }

  bool HasParent(int64_t i) const { return parents_[i] != i; }

  // Whether all sequences as near as the parent were found by the segments before this one.
  bool Settled(int64_t i, int segment) const { return HasParent(i) && distances_[i] < segment; }

  // Hashes of the places where the segment of a near sequence would stand: see segments.h.
  void Lookups(const Cuts& cuts, int64_t i, int segment, std::vector<uint32_t>* hashes) const {
    hashes->clear();
    const Text text = TextAt(problem_.text, i);
    const int most = distances_[i], behind = most - segment;
    for (int longer = -most; longer <= most; ++longer) {
      const int32_t length = text.length - longer;
      if (!cuts.Has(length)) continue;
      const int32_t* cut = cuts.Of(length) + segment;
      const int last = std::min(segment, longer + behind);
      for (int shift = std::max(-segment, longer - behind); shift <= last; ++shift) {
        const int32_t begin = cut[0] + shift, end = cut[1] + shift;
        if (begin < 0 || end > text.length) continue;
        hashes->push_back(HashLetters(text.letters + begin, end - begin, length));
      }
    }
  }

  void TryBucket(int64_t i, int segment, uint32_t hash) {
    const Text text = TextAt(problem_.text, i);
    const HashIndex::Bucket bucket = index_.Find(hash);
    for (const HashIndex::Entry* entry = bucket.begin; entry < bucket.end; ++entry) {
      const int64_t other = entry->item;
      if (other >= problem_.candidates[i]) return;
      const bool later = HasParent(i) && other >= parents_[i];
      // A later candidate must be nearer than the parent to replace it. All candidates nearer than
      // `segment` have been seen, and different sequences are at a distance of at least 1.
      if (later && distances_[i] <= std::max(segment, 1)) return;
      if (entry->hash != hash || other == parents_[i]) continue;
      const int most = distances_[i] - later;
      const int distance = BoundedEditDistance(TextAt(problem_.text, other), text, most);
      if (distance > most) continue;
      parents_[i] = other;
      distances_[i] = static_cast<uint8_t>(distance);
    }
  }

  const ClusterProblem& problem_;
  const int threads_;
  const Interrupted& interrupted_;
  int64_t* const parents_;
  const int64_t count_;
  const int64_t indexed_;  // sequences that may be parents
  // Distance to the parent, or the largest allowed distance if there is no parent yet.
  std::vector<uint8_t> distances_;
  HashIndex index_;
  int half_steps_done_ = 0;
};

}  // namespace

ClusterOutcome FindParents(const ClusterProblem& problem, int threads,
                           const Interrupted& interrupted, int64_t* parents) {
  return ParentSearch(problem, threads, interrupted, parents).Run();
}

}  // namespace cisreg::reads
