// Runs the CUDA kernels of pairs of factors, as launch.h does those of the occupancy.

#ifndef CISREG_CUDA_PAIR_LAUNCH_H_
#define CISREG_CUDA_PAIR_LAUNCH_H_

#include "launch.h"
#include "pairs/problem.h"

namespace cisreg {

// Bytes of device memory, aligned to 256, that a launch needs beside inputs and outputs. Sizes
// alone are looked at. Returns an error message if such a device cannot run this problem.
CISREG_EXPORT GpuError GpuPairWorkspaceBytes(const GpuDevice& device, const OccupancyShape& shape,
                                             const pairs::Inputs& inputs, bool backward,
                                             int64_t* bytes);

// `score`: [N]. Pairs of motifs that do not exist are NaN, and so is what launch.h names: raising
// an error would mean waiting for the device. Sums are added in an order that the sizes of the
// problem fix, so that the same inputs give the same bits on every run.
CISREG_EXPORT GpuError GpuPairForward(const OccupancyShape& shape, const pairs::Inputs& inputs,
                                      void* stream, char* workspace, float* score);

// `upstream`: [N], gradients with respect to the scores.
CISREG_EXPORT GpuError GpuPairBackward(const OccupancyShape& shape, const pairs::Inputs& inputs,
                                       void* stream, char* workspace, const float* upstream,
                                       const pairs::Gradients& gradients);

}  // namespace cisreg

#endif  // CISREG_CUDA_PAIR_LAUNCH_H_
