// Marks what other libraries call in the library of kernels; everything else stays hidden in it.

#ifndef CISREG_CSRC_COMMON_EXPORT_H_
#define CISREG_CSRC_COMMON_EXPORT_H_

#define CISREG_EXPORT __attribute__((visibility("default")))

#endif  // CISREG_CSRC_COMMON_EXPORT_H_
