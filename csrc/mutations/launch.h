// Runs the kernels on a few threads. The result does not depend on how many.

#ifndef CISREG_CSRC_MUTATIONS_LAUNCH_H_
#define CISREG_CSRC_MUTATIONS_LAUNCH_H_

#include <string>

#include "common/export.h"
#include "common/parallel.h"
#include "mutations/problem.h"

namespace cisreg::mutations {

// `instruction_set`: one that FindKernels of occupancy/kernels.h has. Both return false if
// interrupted.
CISREG_EXPORT bool SumChanges(const Problem& problem, const Factors& factors,
                              const std::string& instruction_set, int threads,
                              const Interrupted& interrupted, const Sums& sums);
CISREG_EXPORT bool FindChanges(const Problem& problem, const std::string& instruction_set,
                               int threads, const Interrupted& interrupted, const Changes& changes);

}  // namespace cisreg::mutations

#endif  // CISREG_CSRC_MUTATIONS_LAUNCH_H_
