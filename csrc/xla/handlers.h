// What XLA calls when a compiled program reaches the operation or its gradient.

#ifndef CISREG_CSRC_XLA_HANDLERS_H_
#define CISREG_CSRC_XLA_HANDLERS_H_

#include "xla/ffi/api/c_api.h"

namespace cisreg {

// On the CPU. Values are checked as by the operation outside of XLA.
XLA_FFI_Error* HostForward(XLA_FFI_CallFrame* frame);
XLA_FFI_Error* HostBackward(XLA_FFI_CallFrame* frame);

// On a GPU, in builds with CUDA kernels.
XLA_FFI_Error* CudaForward(XLA_FFI_CallFrame* frame);
XLA_FFI_Error* CudaBackward(XLA_FFI_CallFrame* frame);

}  // namespace cisreg

#endif  // CISREG_CSRC_XLA_HANDLERS_H_
