// The one table of tile sizes, for host and device alike.
//
// A tile of the scan is one matrix product: 16 windows of a sequence, as one-hot rows, times the
// energies of 8 motifs on one strand. Widths are cut into steps of 8 columns (32 numbers, the depth
// of one sparse product) and into chunks of 4 steps, whose one-hot operands fit in registers.

#ifndef CISREG_CUDA_TILES_H_
#define CISREG_CUDA_TILES_H_

namespace cisreg::gpu {

inline constexpr int kWarp = 32;
inline constexpr int kTileWindows = 16;
inline constexpr int kTileMotifs = 8;
inline constexpr int kStepColumns = 8;
inline constexpr int kChunkSteps = 4;
inline constexpr int kChunkColumns = kStepColumns * kChunkSteps;

// Forward: one warp holds the one-hot operands of a strip of windows and passes the energies of all
// motifs, which lie in shared memory, by them. 7 tiles are 112 windows: a promoter of 110 bases.
// Without sparse products (compute capability 7.5) operands take twice the registers.
inline constexpr int kForwardTall = 7;
inline constexpr int kForwardShort = 4;
// Warps of a block; one block runs on each multiprocessor. Position weights need more registers, so
// fewer warps.
inline constexpr int kForwardWarps = 16;
inline constexpr int kForwardWarpsWeighted = 12;

// Backward: one warp holds the gradient of 2 tiles of motifs (both strands of 8 motifs, 32 columns)
// in registers and passes all sequences by them, 4 or 3 tiles of windows at a time.
inline constexpr int kBackwardWarps = 4;
inline constexpr int kWarpTiles = 2;
inline constexpr int kBlockTiles = kBackwardWarps * kWarpTiles;
inline constexpr int kBackwardTall = 4;
inline constexpr int kBackwardShort = 3;
// Rows of the second product (4 columns x 4 bases) and such rows in a chunk of columns.
inline constexpr int kGradientColumns = 4;
inline constexpr int kGradientRows = kChunkColumns / kGradientColumns;
// Numbers of a lane in the gradient of one tile and chunk.
inline constexpr int kTileSums = 4 * kGradientRows;
// Most windows of a block, in tiles; fewer where shared memory is small.
inline constexpr int kBackwardTiles = 7;
inline constexpr int kBackwardTilesSmall = 4;
// Tensor cores truncate their sums, so after this many products the sums are added with rounding in
// other memory.
inline constexpr int kProductsPerSum = 112;
// If a block can have this much shared memory, sums are collected there, otherwise in the results.
inline constexpr int kSharedForSums = 128 << 10;
// Blocks of a multiprocessor that run at a time, and the fewest sequences worth a block.
inline constexpr int kBackwardBlocks = 3;
inline constexpr int kLeastSequences = 4;

// Up to these log2 odds of a motif's strongest site, four sites share one division: products of
// four (1 + odds) stay below 2^97, which leaves room for position weights up to 2^29.
inline constexpr float kSharedDivisionLog2Odds = 24.0f;

// First capability with sparse products and bfloat16.
inline constexpr int kSparseCapability = 80;

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_TILES_H_
