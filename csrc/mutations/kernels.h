// The kernels of one instruction set, as a table of functions.

#ifndef CISREG_CSRC_MUTATIONS_KERNELS_H_
#define CISREG_CSRC_MUTATIONS_KERNELS_H_

#include "mutations/layout.h"
#include "mutations/problem.h"

namespace cisreg::mutations {

// What every piece reads.
struct Job {
  const Problem* problem;
  const Layout* layout;
  float* tables;
  // One of both has pointers.
  Factors factors;
  Sums sums;
  Changes changes;
};

struct Kernels {
  const char* name;
  // Fills the tables of one block.
  void (*build_tables)(const Job& job, const Block& block);
  // Floats of scratch memory that a piece needs.
  int64_t (*scratch_floats)(const Layout& layout);
  void (*mutate_piece)(const Job& job, const Piece& piece, float* scratch);
};

extern const Kernels kPortableKernels;
#if defined(CISREG_HAVE_X86_KERNELS)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif
#if defined(CISREG_HAVE_ARM_KERNELS)
extern const Kernels kNeonKernels;
#endif

// The kernels of an instruction set that FindKernels of occupancy/kernels.h has.
const Kernels& KernelsOf(const char* name);

}  // namespace cisreg::mutations

#endif  // CISREG_CSRC_MUTATIONS_KERNELS_H_
