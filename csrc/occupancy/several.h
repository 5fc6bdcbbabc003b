// Several conditions or several sets of position weights in one scan: what both passes share.
//
// The scan gives the odds of the sites at the base concentration of each motif, the largest of its
// concentrations. In a condition the odds are these times a factor of at most 1. Where a block's
// table holds logarithms it holds no concentration, and the factor is that of the condition, as a
// logarithm that is added: a sum is then as precise as with this condition alone.
//
// Sums and upstream gradients of a sequence are kept as [C', 1 + K] vectors of a block's sites: in
// each of its conditions one of all windows, then one for each set of weights.

#ifndef CISREG_CSRC_OCCUPANCY_SEVERAL_H_
#define CISREG_CSRC_OCCUPANCY_SEVERAL_H_

#include "occupancy/counted.h"
#include "occupancy/scan.h"

namespace cisreg {
namespace {

// Conditions in which a sequence has sums: all, or its own.
struct ConditionRange {
  int64_t first;
  int64_t end;
};

inline ConditionRange SequenceConditions(const OccupancyJob& job, int64_t sequence) {
  const int32_t* const own = job.inputs.condition;
  if (own == nullptr) return {0, job.inputs.condition_count};
  return {own[sequence], own[sequence] + 1};
}

// Factors of a block from one condition on.
inline const float* BlockFactors(const OccupancyJob& job, int64_t block, int64_t condition) {
  return job.factors + (block * job.inputs.condition_count + condition) * kBlockSites;
}

template <class F>
struct ConditionOdds {
  F odds;
  F site;  // what SumLogBound takes beside them
};

// Odds in a condition from the products or sums of the scan. Where sites are masked, `counts` is 0
// for those that do not count and 1 for others.
template <int kSitesPerDivision, bool kMasked, class F>
inline ConditionOdds<F> OddsIn(F site, F factor, F counts) {
  if constexpr (kSitesPerDivision == 1) {
    // 0 where the factor is minus infinity: the motif is absent. Any other is far above -1e35.
    const F one = F::Broadcast(1.0f);
    const F present = Max(Min(factor + F::Broadcast(1e35f), one), F::Broadcast(0.0f));
    site = site + factor;
    if (kMasked) site = Max(site, F::Broadcast(-1e35f)) * counts;
    const F odds = simd::Exp2(simd::ClampExponent(site)) * present;
    return {kMasked ? odds * counts : odds, site};
  } else {
    const F odds = site * factor;
    return {kMasked ? odds * counts : odds, site};
  }
}

template <class F>
inline void AddTo(F value, float* sums) {
  (F::Load(sums) + value).Store(sums);
}

// a / b, by a reciprocal where the processor has them.
template <class F>
inline F DivideFast(F a, F b) {
  if constexpr (F::kHasReciprocal) {
    return a * Reciprocal(b);
  } else {
    return a / b;
  }
}

// 1 / value for each of two or four, with one division or reciprocal for all: a division costs less
// than the products with which four share it.
template <class F>
constexpr int kInvertedTogether = F::kHasReciprocal ? 4 : 2;

template <class F>
inline void InvertTogether(const F (&value)[2], F (&inverse)[2]) {
  InvertEach(value, inverse);
}

template <class F>
inline void InvertTogether(const F (&value)[4], F (&inverse)[4]) {
  const F first = value[0] * value[1], second = value[2] * value[3];
  const F all = Reciprocal(first * second);
  const F of_first = all * second, of_second = all * first;
  inverse[0] = of_first * value[1];
  inverse[1] = of_first * value[0];
  inverse[2] = of_second * value[3];
  inverse[3] = of_second * value[2];
}

// 1 - p of sites that may share a division. None is needed where the processor has reciprocals.
template <class F, int kSites>
inline void UnboundFast(const F (&odds)[kSites], F (&unbound)[kSites]) {
  if constexpr (F::kHasReciprocal) {
#pragma GCC unroll 2
    for (int i = 0; i < kSites; ++i) unbound[i] = Reciprocal(odds[i] + F::Broadcast(1.0f));
  } else {
    Unbound<F, kSites>(odds, unbound);
  }
}

// Whether the motifs of a block are neighbours in rows [2, M], so that their numbers are moved
// together. They are where motifs have the same width.
inline bool AreNeighbours(const OccupancyJob& job, int64_t block) {
  const int32_t* motif = job.block_motif + block * kBlockMotifs;
  bool neighbours = job.block_absent == nullptr;
  for (int i = 1; i < kBlockMotifs; ++i) neighbours = neighbours && motif[i] == motif[0] + i;
  return neighbours;
}

// Asks for a block's numbers in a row [2, M], which are soon read or written.
template <bool kWritten>
inline void PrefetchSites(const OccupancyJob& job, int64_t block, int64_t row, const float* rows) {
  const int32_t* motif = job.block_motif + block * kBlockMotifs;
  for (int strand = 0; strand < kStrands; ++strand) {
    const float* const of_strand = rows + (row * kStrands + strand) * job.shape.motif_count;
    for (int i = 0; i < kBlockMotifs; i += kBlockMotifs - 1) {
      __builtin_prefetch(of_strand + motif[i], kWritten ? 1 : 0);
    }
  }
}

// Loops over no set or this many are unrolled by the compiler, where neither spans nor logarithms
// make the windows slow anyway; any other number is known only at run time.
constexpr int kUnrolledSets = 2;
constexpr int kAnySets = -1;

template <int kSets>
inline int64_t SetCount(const OccupancyJob& job) {
  return kSets == kAnySets ? job.inputs.weight_sets : kSets;
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_SEVERAL_H_
