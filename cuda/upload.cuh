// Brings whole numbers from the host into the workspace.
//
// They travel as parameters of a kernel: copied when it is launched, so that the host's memory may
// go at once and nobody waits.

#ifndef CISREG_CUDA_UPLOAD_CUH_
#define CISREG_CUDA_UPLOAD_CUH_

#include <cuda_runtime.h>

#include <cstdint>

namespace cisreg::gpu {

cudaError_t Upload(const int32_t* host, int64_t count, int32_t* to, cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_UPLOAD_CUH_
