// Properties of GPUs, asked for once; for whoever launches CUDA kernels at every step.

#ifndef CISREG_CSRC_COMMON_GPU_DEVICES_H_
#define CISREG_CSRC_COMMON_GPU_DEVICES_H_

#include <map>
#include <mutex>

#include "cuda/launch.h"

namespace cisreg {

// Empty on success. The usual reason for an error is a driver older than the CUDA runtime of this
// build.
inline GpuError KnownGpuDevice(int ordinal, GpuDevice* device) {
  static std::mutex mutex;
  static auto& found = *new std::map<int, GpuDevice>;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto known = found.find(ordinal);
  if (known != found.end()) {
    *device = known->second;
    return {};
  }
  const GpuError error = FindGpuDevice(ordinal, device);
  if (!error.empty()) {
    return error +
           "; update the driver, build cisreg with an older CUDA toolkit, or place the operation "
           "on the CPU";
  }
  found[ordinal] = *device;
  return {};
}

}  // namespace cisreg

#endif  // CISREG_CSRC_COMMON_GPU_DEVICES_H_
