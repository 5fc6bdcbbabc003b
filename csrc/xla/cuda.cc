// Handlers on a GPU: launch on XLA's stream, in memory of XLA's allocator.
//
// Values are not checked: they are on the device, and reading them would mean waiting for it.

#include "common/gpu_devices.h"
#include "xla/ffi/api/c_api.h"
// After the header whose names it uses.
#include "xla/ffi/api/c_api_internal.h"
#include "xla/handlers.h"
#include "xla/problem.h"

namespace cisreg {
namespace {

// Device memory until the handler returns, though the kernels still run: whoever gets the memory
// next writes to it on the same stream.
class Workspace {
 public:
  explicit Workspace(const XlaCall& call) : call_(call) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  ~Workspace() {
    if (memory_ == nullptr) return;
    XLA_FFI_DeviceMemory_Free_Args free = {XLA_FFI_DeviceMemory_Free_Args_STRUCT_SIZE, nullptr,
                                           call_.context(), bytes_, memory_};
    XLA_FFI_Error* const error = call_.api().XLA_FFI_DeviceMemory_Free(&free);
    if (error != nullptr) call_.TakeMessage(error);
  }

  XLA_FFI_Error* Allocate(size_t bytes) {
    constexpr size_t kAlignment = 256;
    XLA_FFI_DeviceMemory_Allocate_Args allocate = {XLA_FFI_DeviceMemory_Allocate_Args_STRUCT_SIZE,
                                                   nullptr,
                                                   call_.context(),
                                                   bytes,
                                                   kAlignment,
                                                   nullptr};
    XLA_FFI_Error* const error = call_.api().XLA_FFI_DeviceMemory_Allocate(&allocate);
    if (error != nullptr) return error;
    bytes_ = bytes;
    memory_ = allocate.data;
    return nullptr;
  }

  char* memory() const { return static_cast<char*>(memory_); }

 private:
  const XlaCall& call_;
  size_t bytes_ = 0;
  void* memory_ = nullptr;
};

// The device and stream of a call.
struct Place {
  GpuDevice device;
  void* stream;  // cudaStream_t
};

XLA_FFI_Error* FindPlace(const XlaCall& call, Place* place) {
  XLA_FFI_Stream_Get_Args get = {XLA_FFI_Stream_Get_Args_STRUCT_SIZE, nullptr, call.context(),
                                 nullptr};
  XLA_FFI_Error* const failed = call.api().XLA_FFI_Stream_Get(&get);
  if (failed != nullptr) return failed;
  place->stream = get.stream;
  const int ordinal = call.api().internal_api->XLA_FFI_INTERNAL_DeviceOrdinal_Get(call.context());
  const GpuError error = KnownGpuDevice(ordinal, &place->device);
  return error.empty() ? nullptr : call.Error(XLA_FFI_Error_Code_UNIMPLEMENTED, error);
}

XLA_FFI_Error* Prepare(const XlaCall& call, const OccupancyProblem& problem, bool backward,
                       Place* place, Workspace* workspace) {
  XLA_FFI_Error* const failed = FindPlace(call, place);
  if (failed != nullptr) return failed;
  int64_t bytes = 0;
  const GpuError error =
      GpuWorkspaceBytes(place->device, problem.shape, problem.inputs, backward, &bytes);
  if (!error.empty()) return call.Error(XLA_FFI_Error_Code_UNIMPLEMENTED, error);
  return workspace->Allocate(bytes);
}

XLA_FFI_Error* FromLaunch(const XlaCall& call, const GpuError& error) {
  return error.empty() ? nullptr : call.Error(XLA_FFI_Error_Code_INTERNAL, error);
}

}  // namespace

XLA_FFI_Error* CudaForward(XLA_FFI_CallFrame* frame) {
  const XlaCall call(frame);
  if (call.AnswersQuestion()) return nullptr;
  ForwardCall read;
  const InputError error = ReadForward(call, &read);
  if (!error.empty()) return call.Error(XLA_FFI_Error_Code_INVALID_ARGUMENT, error);
  const OccupancyProblem& problem = read.problem;
  if (problem.shape.sequence_count == 0) return nullptr;
  Place place;
  Workspace workspace(call);
  XLA_FFI_Error* const failed = Prepare(call, problem, false, &place, &workspace);
  if (failed != nullptr) return failed;
  return FromLaunch(
      call, GpuOccupancyForward(place.device, problem.shape, problem.reduction, problem.inputs,
                                place.stream, workspace.memory(), read.outputs));
}

XLA_FFI_Error* CudaBackward(XLA_FFI_CallFrame* frame) {
  const XlaCall call(frame);
  if (call.AnswersQuestion()) return nullptr;
  BackwardCall read;
  const InputError error = ReadBackward(call, &read);
  if (!error.empty()) return call.Error(XLA_FFI_Error_Code_INVALID_ARGUMENT, error);
  const OccupancyProblem& problem = read.problem;
  Place place;
  Workspace workspace(call);
  XLA_FFI_Error* const failed = Prepare(call, problem, true, &place, &workspace);
  if (failed != nullptr) return failed;
  return FromLaunch(
      call, GpuOccupancyBackward(place.device, problem.shape, problem.reduction, problem.inputs,
                                 place.stream, workspace.memory(), read.upstream, read.gradients));
}

}  // namespace cisreg
