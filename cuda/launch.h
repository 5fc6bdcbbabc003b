// Runs the CUDA kernels on the caller's stream, in the caller's memory.
//
// Plain C++ for whoever launches: the op glue, the Python module, the tests. All pointers of the
// problem are device pointers here. Nothing synchronises, allocates or copies from the host.

#ifndef CISREG_CUDA_LAUNCH_H_
#define CISREG_CUDA_LAUNCH_H_

#include <cstdint>
#include <string>

#include "common/export.h"
#include "occupancy/problem.h"

namespace cisreg {

// Properties of the device that a launch needs.
struct GpuDevice {
  int compute_capability;  // 75, 80, 86, 89, 90, ...
  int multiprocessor_count;
  int64_t shared_memory_per_block;  // bytes that a block may ask for (opt-in limit)
};

// Empty on success, otherwise a message that says what failed.
using GpuError = std::string;

// Reads the properties of a device. The compute capability is that of the code which runs there,
// the device's own or an older one.
CISREG_EXPORT GpuError FindGpuDevice(int ordinal, GpuDevice* device);

// Why such a device cannot run a problem and its gradient, by sizes alone. The answer is the same
// without a GPU, though the runtime is asked how many blocks fit. Empty if it can.
CISREG_EXPORT GpuError GpuRefusal(const GpuDevice& device, const OccupancyShape& shape,
                                  const OccupancyInputs& inputs);

// Bytes of device memory, aligned to 256, that a launch needs beside inputs and outputs. Returns an
// error message if the current device cannot run this problem.
CISREG_EXPORT GpuError GpuWorkspaceBytes(const GpuDevice& device, const OccupancyShape& shape,
                                         const OccupancyInputs& inputs, bool backward,
                                         int64_t* bytes);

// `stream` is a cudaStream_t. Sites that show a code above 4 and motifs with a parameter that is
// not finite are NaN, and so are the sums that hold them: raising an error would mean waiting for
// the device.
CISREG_EXPORT GpuError GpuOccupancyForward(const GpuDevice& device, const OccupancyShape& shape,
                                           Reduction reduction, const OccupancyInputs& inputs,
                                           void* stream, char* workspace,
                                           const OccupancyOutputs& outputs);

// The gradients; sums are added in an order fixed by the problem and the device, so the same inputs
// give the same bits on every run.
CISREG_EXPORT GpuError GpuOccupancyBackward(const GpuDevice& device, const OccupancyShape& shape,
                                            Reduction reduction, const OccupancyInputs& inputs,
                                            void* stream, char* workspace,
                                            const OccupancyUpstream& upstream,
                                            const OccupancyGradients& gradients);

}  // namespace cisreg

#endif  // CISREG_CUDA_LAUNCH_H_
