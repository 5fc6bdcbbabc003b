#include "xla/call.h"

#include <string_view>

namespace cisreg {

bool XlaCall::AnswersQuestion() const {
  XLA_FFI_Extension_Base* const extension = frame_->extension_start;
  if (extension == nullptr || extension->type != XLA_FFI_Extension_Metadata) return false;
  XLA_FFI_Metadata* const answer =
      reinterpret_cast<XLA_FFI_Metadata_Extension*>(extension)->metadata;
  answer->api_version = {XLA_FFI_Api_Version_STRUCT_SIZE, nullptr, XLA_FFI_API_MAJOR,
                         XLA_FFI_API_MINOR};
  // A CUDA graph would keep the address of a workspace that is freed when the handler returns.
  answer->traits = 0;
#if XLA_FFI_API_MINOR >= 2
  answer->state_type_id = XLA_FFI_UNKNOWN_TYPE_ID;
#endif
  return true;
}

int32_t XlaCall::Attribute(const std::string& name) const {
  const XLA_FFI_Attrs& attributes = frame_->attrs;
  for (int64_t i = 0; i < attributes.size; ++i) {
    const XLA_FFI_ByteSpan& given = *attributes.names[i];
    if (std::string_view(given.ptr, given.len) != name) continue;
    if (attributes.types[i] != XLA_FFI_AttrType_SCALAR) return -1;
    const auto* const scalar = static_cast<const XLA_FFI_Scalar*>(attributes.attrs[i]);
    if (scalar->dtype != XLA_FFI_DataType_S32) return -1;
    return *static_cast<const int32_t*>(scalar->value);
  }
  return -1;
}

XLA_FFI_Error* XlaCall::Error(XLA_FFI_Error_Code code, const std::string& message) const {
  XLA_FFI_Error_Create_Args create = {XLA_FFI_Error_Create_Args_STRUCT_SIZE, nullptr,
                                      message.c_str(), code};
  return api().XLA_FFI_Error_Create(&create);
}

std::string XlaCall::TakeMessage(XLA_FFI_Error* error) const {
  XLA_FFI_Error_GetMessage_Args get = {XLA_FFI_Error_GetMessage_Args_STRUCT_SIZE, nullptr, error,
                                       nullptr};
  api().XLA_FFI_Error_GetMessage(&get);
  const std::string message = get.message;
  XLA_FFI_Error_Destroy_Args destroy = {XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, nullptr, error};
  api().XLA_FFI_Error_Destroy(&destroy);
  return message;
}

}  // namespace cisreg
