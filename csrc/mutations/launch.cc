#include "mutations/launch.h"

#include <vector>

#include "mutations/kernels.h"
#include "simd/denormals.h"

namespace cisreg::mutations {
namespace {

struct alignas(64) CacheLine {
  float floats[16];
};

// Floats that begin at a cache line.
class AlignedFloats {
 public:
  explicit AlignedFloats(int64_t count) : lines_(count / 16 + 1) {}
  float* data() { return lines_[0].floats; }

 private:
  std::vector<CacheLine> lines_;
};

bool Run(Job job, const std::string& instruction_set, int threads, const Interrupted& interrupted) {
  const Kernels& kernels = KernelsOf(instruction_set.c_str());
  const Layout layout = MakeLayout(*job.problem);
  AlignedFloats tables(layout.table_floats);
  job.layout = &layout;
  job.tables = tables.data();
  {
    const simd::FlushDenormals flush;
    for (const Block& block : layout.blocks) kernels.build_tables(job, block);
  }
  const OccupancyShape& shape = job.problem->shape;
  const int64_t pieces = shape.sequence_count * layout.pieces_per_sequence;
  return ShareOut(pieces, threads, interrupted, [&](const NextItem& next) {
    const simd::FlushDenormals flush;
    AlignedFloats scratch(kernels.scratch_floats(layout));
    for (int64_t i = next(); i >= 0; i = next()) {
      kernels.mutate_piece(job, PieceAt(layout, i, shape.length), scratch.data());
    }
  });
}

}  // namespace

bool SumChanges(const Problem& problem, const Factors& factors, const std::string& instruction_set,
                int threads, const Interrupted& interrupted, const Sums& sums) {
  return Run({&problem, nullptr, nullptr, factors, sums, {}}, instruction_set, threads,
             interrupted);
}

bool FindChanges(const Problem& problem, const std::string& instruction_set, int threads,
                 const Interrupted& interrupted, const Changes& changes) {
  return Run({&problem, nullptr, nullptr, {}, {}, changes}, instruction_set, threads, interrupted);
}

}  // namespace cisreg::mutations
