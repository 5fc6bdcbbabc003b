// Runs the CUDA kernels of sites that exclude each other, as launch.h does those of independent
// ones.
//
// Device pointers all, but those that say where sites lie: the host needs the numbers of
// `scan.column_range`, `footprint` and `competitor_width` and has them in its own memory.

#ifndef CISREG_CUDA_EXCLUSIVE_LAUNCH_H_
#define CISREG_CUDA_EXCLUSIVE_LAUNCH_H_

#include <cstdint>

#include "exclusive/problem.h"
#include "launch.h"

namespace cisreg {

// Why such a device cannot run a problem and its gradient, by sizes and by the host's numbers. The
// answer is the same without a GPU, though the runtime is asked how many blocks fit. Empty if it
// can.
CISREG_EXPORT GpuError GpuExclusiveRefusal(const GpuDevice& device, const OccupancyShape& shape,
                                           const exclusive::Inputs& inputs);

// Bytes of device memory, aligned to 256, that a launch needs beside inputs and outputs. Returns an
// error message if the device cannot run this problem.
CISREG_EXPORT GpuError GpuExclusiveWorkspaceBytes(const GpuDevice& device,
                                                  const OccupancyShape& shape,
                                                  const exclusive::Inputs& inputs, bool backward,
                                                  int64_t* bytes);

// `stream` is a cudaStream_t. All sums of a sequence that shows a code above 4 at some site are
// NaN, and with a parameter that is not finite those of all sequences that have sites of its motif.
// `outputs.competitor_sites` is not written.
CISREG_EXPORT GpuError GpuExclusiveForward(const GpuDevice& device, const OccupancyShape& shape,
                                           const exclusive::Inputs& inputs, void* stream,
                                           char* workspace, const exclusive::Outputs& outputs);

// The gradients; the same inputs give the same bits on every run.
CISREG_EXPORT GpuError GpuExclusiveBackward(const GpuDevice& device, const OccupancyShape& shape,
                                            const exclusive::Inputs& inputs, void* stream,
                                            char* workspace, const exclusive::Upstream& upstream,
                                            const exclusive::Gradients& gradients);

}  // namespace cisreg

#endif  // CISREG_CUDA_EXCLUSIVE_LAUNCH_H_
