// XLA's threads as an executor of the kernels.

#ifndef CISREG_CSRC_XLA_POOL_H_
#define CISREG_CSRC_XLA_POOL_H_

#include "occupancy/launch.h"
#include "xla/call.h"

namespace cisreg {

// The threads that XLA runs the compiled program on, valid until the handler returns. The calling
// thread, which may be one of them, does its share and never waits for work that has not begun: so
// there is progress whatever else the pool is busy with.
Executor XlaPoolExecutor(const XlaCall& call);

}  // namespace cisreg

#endif  // CISREG_CSRC_XLA_POOL_H_
