// The device, the stream and memory of TensorFlow's GPU device for the kernels.

#ifndef CISREG_CSRC_TENSORFLOW_GPU_EXECUTION_H_
#define CISREG_CSRC_TENSORFLOW_GPU_EXECUTION_H_

#include "common/gpu_devices.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "xla/stream_executor/stream.h"
#include "xla/stream_executor/stream_executor.h"

namespace cisreg {

inline absl::Status FromLaunch(const GpuError& error) {
  return error.empty() ? absl::OkStatus() : absl::InternalError(error);
}

struct GpuLaunch {
  GpuDevice device;
  void* stream;  // cudaStream_t
  tensorflow::Tensor workspace;
  char* memory;
};

// `workspace_bytes(device, bytes)` says how many bytes a launch on the device needs, or why it
// cannot be.
template <class WorkspaceBytes>
absl::Status PrepareGpuLaunch(tensorflow::OpKernelContext* context,
                              const WorkspaceBytes& workspace_bytes, GpuLaunch* launch) {
  stream_executor::Stream* const stream = context->op_device_context()->stream();
  launch->stream = stream->platform_specific_handle().stream;
  GpuError error = KnownGpuDevice(stream->parent()->device_ordinal(), &launch->device);
  if (!error.empty()) return absl::UnimplementedError(error);
  int64_t bytes = 0;
  error = workspace_bytes(launch->device, &bytes);
  if (!error.empty()) return absl::UnimplementedError(error);
  // Freed when the op returns, though the kernels still run: whoever gets the memory next writes
  // to it on the same stream.
  TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_INT8, tensorflow::TensorShape({bytes}),
                                            &launch->workspace));
  launch->memory = reinterpret_cast<char*>(launch->workspace.flat<int8_t>().data());
  return absl::OkStatus();
}

}  // namespace cisreg

#endif  // CISREG_CSRC_TENSORFLOW_GPU_EXECUTION_H_
