// Finds, for each sequence, the more abundant one that it is a copy of with errors.

#ifndef CISREG_CSRC_READS_CLUSTER_H_
#define CISREG_CSRC_READS_CLUSTER_H_

#include <cstdint>
#include <functional>

#include "sequence/encode.h"

namespace cisreg::reads {

struct ClusterProblem {
  SequenceText text;  // by falling abundance; at most kLongest letters each
  // The parent of sequence i is one of the first candidates[i] sequences. candidates[i] is at most
  // i and never falls.
  const uint32_t* candidates;
  int differences;  // 1 to kMostDifferences
};

// Called with the share of the work that is done, on the calling thread only. Returning true ends
// the work.
using Interrupted = std::function<bool(double)>;

struct ClusterOutcome {
  bool finished;
  // The first sequence that occurs a second time, and where it occurred before; -1 if all are
  // different. With a repeated sequence no parents are searched.
  int64_t duplicate;
  int64_t original;
};

// Writes each sequence's parent: of the candidates at the smallest edit distance, which is at most
// `differences`, the first; itself where there is none. Exact, and the same for every number of
// threads. Takes 17 to 21 bytes for each sequence besides text, candidates and parents.
ClusterOutcome FindParents(const ClusterProblem& problem, int threads,
                           const Interrupted& interrupted, int64_t* parents);

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_CLUSTER_H_
