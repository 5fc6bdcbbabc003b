// Which more abundant sequence each sequence is an erroneous copy of.

#ifndef CISREG_CSRC_READS_CLUSTER_H_
#define CISREG_CSRC_READS_CLUSTER_H_

#include <cstdint>
#include <functional>

#include "sequence/encode.h"

namespace cisreg::reads {

struct ClusterProblem {
  SequenceText text;  // by falling abundance; at most kLongest letters each
  // Sequence i joins one of the first candidates[i] only, which are at most i and rise with i.
  const uint32_t* candidates;
  int differences;  // 1 to kMostDifferences
};

// Told the share of the work that is done, by the thread that called and no other; true ends it.
using Interrupted = std::function<bool(double)>;

struct ClusterOutcome {
  bool finished;
  // The first sequence that stood before, and where; -1 where all are different. Parents are not
  // sought then.
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
