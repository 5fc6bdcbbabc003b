// Memory of a GPU for NumPy arrays, and the stream that fills and reads it.

#ifndef CISREG_CSRC_PYTHON_DEVICE_MEMORY_H_
#define CISREG_CSRC_PYTHON_DEVICE_MEMORY_H_

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/launch.h"

namespace cisreg {

inline void Check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // Clears the error, or the next call would report it.
  throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

inline void Check(const GpuError& error) {
  if (!error.empty()) throw std::runtime_error(error);
}

struct FreeDevice {
  void operator()(char* memory) const { cudaFree(memory); }
};
using DeviceMemory = std::unique_ptr<char, FreeDevice>;

class Stream {
 public:
  Stream() { Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "create a stream"); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }
  void Wait() const { Check(cudaStreamSynchronize(stream_), "wait for the kernels"); }

 private:
  cudaStream_t stream_ = nullptr;
};

// What a problem reads and writes on a device.
class DeviceBuffers {
 public:
  // On the current device, before all else.
  void Begin() { stream_.emplace(); }

  const Stream& stream() const { return *stream_; }

  // Fills the memory with one bits, which are NaN: numbers that no kernel writes are then noticed,
  // also in sums.
  char* Allocate(int64_t bytes) {
    if (bytes == 0) return nullptr;
    void* memory = nullptr;
    Check(cudaMalloc(&memory, bytes), "allocate device memory");
    memory_.emplace_back(static_cast<char*>(memory));
    Check(cudaMemsetAsync(memory, 0xff, bytes, stream_->get()), "fill device memory");
    return memory_.back().get();
  }

  template <class T>
  void Reserve(T** pointer, int64_t count) {
    *pointer = reinterpret_cast<T*>(Allocate(count * sizeof(T)));
  }

  // From host memory to new memory of the device, which the pointer names from then on.
  template <class T>
  void Copy(const T** pointer, int64_t count) {
    T* on_device = nullptr;
    Reserve(&on_device, count);
    if (count > 0) {
      Check(cudaMemcpyAsync(on_device, *pointer, count * sizeof(T), cudaMemcpyHostToDevice,
                            stream_->get()),
            "copy to the device");
    }
    *pointer = on_device;
  }

  void Fetch(float* host, const float* on_device, int64_t count) const {
    if (count == 0) return;
    Check(cudaMemcpyAsync(host, on_device, count * sizeof(float), cudaMemcpyDeviceToHost,
                          stream_->get()),
          "copy from the device");
  }

 private:
  std::optional<Stream> stream_;
  std::vector<DeviceMemory> memory_;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_PYTHON_DEVICE_MEMORY_H_
