// Registers the handlers with XLA when the library is loaded, and tells Python which there are.

#include <string>
#include <string_view>

#include "common/export.h"
#include "xla/handlers.h"
#include "xla/problem.h"

// The one entry to XLA's C interface. Its C name, XLA_FFI_GetApi, is hidden in some packages.
namespace xla::ffi {
const XLA_FFI_Api* GetXlaFfiApi();
}

namespace cisreg {
namespace {

const XLA_FFI_Api& Api() { return *xla::ffi::GetXlaFfiApi(); }

bool RegisterHandler(std::string_view name, std::string_view platform, XLA_FFI_Handler* handler) {
  XLA_FFI_Handler_Register_Args registration = {};
  registration.struct_size = XLA_FFI_Handler_Register_Args_STRUCT_SIZE;
  registration.name = {name.data(), name.size()};
  registration.platform = {platform.data(), platform.size()};
  registration.bundle.execute = handler;
  XLA_FFI_Error* const error = Api().XLA_FFI_Handler_Register(&registration);
  if (error == nullptr) return true;
  XLA_FFI_Error_Destroy_Args destroy = {XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, nullptr, error};
  Api().XLA_FFI_Error_Destroy(&destroy);
  return false;
}

// Names of the platforms whose handlers XLA took, with a blank after each.
std::string RegisterHandlers() {
  std::string platforms;
  if (RegisterHandler(kForwardCall, "Host", HostForward) &&
      RegisterHandler(kBackwardCall, "Host", HostBackward)) {
    platforms += "Host ";
  }
#ifdef CISREG_HAVE_CUDA
  if (RegisterHandler(kForwardCall, "CUDA", CudaForward) &&
      RegisterHandler(kBackwardCall, "CUDA", CudaBackward)) {
    platforms += "CUDA ";
  }
#endif
  return platforms;
}

const std::string platforms = RegisterHandlers();

}  // namespace
}  // namespace cisreg

// XLA's platforms on which compiled programs can call the operation: "Host CUDA ".
extern "C" CISREG_EXPORT const char* cisreg_xla_platforms() { return cisreg::platforms.c_str(); }
