// Stands in for LLVM's header, which TensorFlow 2.19 includes but does not ship. A description of
// tensors for NVIDIA's copy engine uses it, which nothing of ours touches: it only has to compile.

#ifndef CISREG_CSRC_TENSORFLOW_MISSING_LLVM_ADT_ARRAYREF_H_
#define CISREG_CSRC_TENSORFLOW_MISSING_LLVM_ADT_ARRAYREF_H_

#include "llvm/ADT/SmallVector.h"

namespace llvm {

template <class T>
class ArrayRef {
 public:
  ArrayRef(const SmallVector<T>&) {}
};

}  // namespace llvm

#endif  // CISREG_CSRC_TENSORFLOW_MISSING_LLVM_ADT_ARRAYREF_H_
