// One call of a handler, as XLA's C interface hands it over.
//
// Only that interface is used, a header of plain structs: it is the same in the TensorFlow versions
// that cisreg is built for, while the C++ classes above it are not.

#ifndef CISREG_CSRC_XLA_CALL_H_
#define CISREG_CSRC_XLA_CALL_H_

#include <cstdint>
#include <string>

#include "occupancy/checks.h"
#include "xla/ffi/api/c_api.h"

namespace cisreg {

class XlaCall {
 public:
  explicit XlaCall(XLA_FFI_CallFrame* frame) : frame_(frame) {}

  // XLA asks each handler once which version of the interface it was compiled for. True if this
  // call was that question: it is answered.
  bool AnswersQuestion() const;

  int64_t argument_count() const { return frame_->args.size; }
  int64_t result_count() const { return frame_->rets.size; }
  Dimensions ArgumentDimensions(int64_t index) const { return Sizes(*Argument(index)); }
  Dimensions ResultDimensions(int64_t index) const { return Sizes(*Result(index)); }

  // The numbers of an argument or result; null where it is of another type.
  template <class T>
  const T* ArgumentNumbers(int64_t index) const {
    return Numbers<T>(*Argument(index));
  }
  template <class T>
  T* ResultNumbers(int64_t index) const {
    return Numbers<T>(*Result(index));
  }

  // An attribute of type i32; -1 where there is none of this name.
  int32_t Attribute(const std::string& name) const;

  XLA_FFI_Error* Error(XLA_FFI_Error_Code code, const std::string& message) const;
  // Takes XLA's error; returns what it says.
  std::string TakeMessage(XLA_FFI_Error* error) const;

  const XLA_FFI_Api& api() const { return *frame_->api; }
  XLA_FFI_ExecutionContext* context() const { return frame_->ctx; }

 private:
  const XLA_FFI_Buffer* Argument(int64_t index) const {
    return static_cast<const XLA_FFI_Buffer*>(frame_->args.args[index]);
  }
  const XLA_FFI_Buffer* Result(int64_t index) const {
    return static_cast<const XLA_FFI_Buffer*>(frame_->rets.rets[index]);
  }
  static Dimensions Sizes(const XLA_FFI_Buffer& buffer) {
    return {buffer.dims, buffer.dims + buffer.rank};
  }
  template <class T>
  static T* Numbers(const XLA_FFI_Buffer& buffer) {
    return buffer.dtype == TypeOf(static_cast<T*>(nullptr)) ? static_cast<T*>(buffer.data)
                                                            : nullptr;
  }
  static XLA_FFI_DataType TypeOf(const uint8_t*) { return XLA_FFI_DataType_U8; }
  static XLA_FFI_DataType TypeOf(const int32_t*) { return XLA_FFI_DataType_S32; }
  static XLA_FFI_DataType TypeOf(const float*) { return XLA_FFI_DataType_F32; }

  XLA_FFI_CallFrame* frame_;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_XLA_CALL_H_
