// What launchers share: pieces of the workspace, texts of errors.

#ifndef CISREG_CUDA_ARENA_H_
#define CISREG_CUDA_ARENA_H_

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "launch.h"

namespace cisreg::gpu {

// The first words say to whoever catches the error that the GPU failed, and no other process.
inline GpuError ErrorOf(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return {};
  return std::string("cisreg on the GPU, ") + what + ": " + cudaGetErrorString(status);
}

// Hands out aligned pieces of the workspace; with no memory it only counts.
class Arena {
 public:
  explicit Arena(char* memory) : memory_(memory) {}

  template <class T>
  T* Take(int64_t count) {
    constexpr int64_t kAlignment = 256;
    const int64_t at = bytes_;
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + kAlignment - 1) / kAlignment * kAlignment;
    return memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + at);
  }
  int64_t bytes() const { return bytes_; }

 private:
  char* memory_;
  int64_t bytes_ = 0;
};

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_ARENA_H_
