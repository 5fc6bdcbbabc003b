// Stands in for LLVM's header; see ArrayRef.h.

#ifndef CISREG_CSRC_TENSORFLOW_MISSING_LLVM_ADT_SMALLVECTOR_H_
#define CISREG_CSRC_TENSORFLOW_MISSING_LLVM_ADT_SMALLVECTOR_H_

namespace llvm {

template <class T>
class SmallVector {};

}  // namespace llvm

#endif  // CISREG_CSRC_TENSORFLOW_MISSING_LLVM_ADT_SMALLVECTOR_H_
