// From a motif's parameters in nats to what the scans add, in log2.

#ifndef CISREG_CUDA_ENERGY_CUH_
#define CISREG_CUDA_ENERGY_CUH_

#include <cuda_runtime.h>

namespace cisreg::gpu {

inline constexpr float kLog2E = 1.442695040888963407f;
// Energies are limited to this, in log2, since float16 ends at 65504.
inline constexpr float kLargestEnergy = 32768.0f;

__device__ __forceinline__ float NotANumber() { return __uint_as_float(0x7fffffff); }

// Log2 of what one base contributes to 1 / Kd; NaN where the parameter is not finite.
__device__ __forceinline__ float Energy(float log_kd) {
  if (!isfinite(log_kd)) return NotANumber();
  return fminf(fmaxf(-kLog2E * log_kd, -kLargestEnergy), kLargestEnergy);
}

// Log2 of the concentration: -inf for a factor that is not there, whose sites are never bound.
__device__ __forceinline__ float Offset(float log_concentration) {
  return log_concentration < INFINITY ? kLog2E * log_concentration : NotANumber();
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_ENERGY_CUH_
