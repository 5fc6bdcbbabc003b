// The one table of tile sizes, for host and device alike.
//
// A tile of the scan is one matrix product: 16 windows of a sequence, as one-hot rows, times the
// energies of 8 motifs on one strand. Widths are cut into steps of 8 columns (32 numbers, the depth
// of one sparse product) and into chunks of 4 steps, whose one-hot operands fit in registers.

#ifndef CISREG_CUDA_TILES_H_
#define CISREG_CUDA_TILES_H_

// Functions of plain C++ headers that kernels call too.
#if defined(__CUDACC__)
#define CISREG_HOST_DEVICE __host__ __device__
#else
#define CISREG_HOST_DEVICE
#endif

namespace cisreg::gpu {

inline constexpr int kWarp = 32;
inline constexpr int kTileWindows = 16;
inline constexpr int kTileMotifs = 8;
inline constexpr int kStepColumns = 8;
inline constexpr int kChunkSteps = 4;
inline constexpr int kChunkColumns = kStepColumns * kChunkSteps;

// Words that lanes load behind the last of a strip, without effect; and the number of codes that a
// word is made of.
inline constexpr int kWordSlack = 8;
inline constexpr int kWordReach = 4;

// Forward: one warp holds the one-hot operands of a strip of windows and passes the energies of all
// motifs, which lie in shared memory, by them. 7 tiles are 112 windows: a promoter of 110 bases.
// Without sparse products (compute capability 7.5) operands take twice the registers.
inline constexpr int kForwardRowTiles = 7;
inline constexpr int kForwardRowTilesShort = 4;
// Warps of a block; one block runs on each multiprocessor.
inline constexpr int kForwardWarps = 16;
// Sums of strips are added in groups of this many, then the groups, so that the order depends on
// the sequence alone; and the bytes of memory for sums of strips, unless a group of one sequence
// takes more. They fit into the second-level cache of large GPUs.
inline constexpr int kSumStrips = 64;
inline constexpr int kForwardScratch = 32 << 20;

// Gradients of competitors are added in groups of so many sequences, then the groups.
inline constexpr int kCompetitorRows = 256;

// Backward: one warp holds the gradient of 2 tiles of motifs (both strands of 8 motifs, 32 columns)
// in registers and passes all sequences by them, 4 or 3 tiles of windows at a time.
inline constexpr int kBackwardWarps = 4;
inline constexpr int kWarpTiles = 2;
inline constexpr int kBlockTiles = kBackwardWarps * kWarpTiles;
inline constexpr int kBackwardRowTiles = 4;
inline constexpr int kBackwardRowTilesShort = 3;
// Rows of the second product (4 columns x 4 bases) and such rows in a chunk of columns.
inline constexpr int kGradientColumns = 4;
inline constexpr int kGradientRows = kChunkColumns / kGradientColumns;
// Numbers of a lane in the gradient of one tile and chunk.
inline constexpr int kTileSums = 4 * kGradientRows;
// Windows of a strip, in tiles: at most, and where shared memory is small.
inline constexpr int kBackwardTiles = 7;
inline constexpr int kBackwardTilesSmall = 4;
// Tensor cores truncate their sums, so after this many products the sums are added with rounding in
// other memory; and after so many of these additions, what has come together is added to the
// results, so that millions of windows are not added one by one.
inline constexpr int kProductsPerSum = 112;
inline constexpr int kSumsPerPart = 32;
// Blocks of a multiprocessor that registers leave room for: the compiler is held to the first
// without position weights, for capabilities from 8.0 on; but not from 12.0 on, where it spills.
inline constexpr int kBackwardBlocks = 3;
inline constexpr int kBackwardBlocksUnbounded = 2;
inline constexpr int kUnboundedCapability = 120;

// Up to these log2 odds of a motif's strongest site, four sites share one division: products of
// four (1 + odds) stay below 2^97, which leaves room for position weights up to 2^29.
inline constexpr float kSharedDivisionLog2Odds = 24.0f;

// Pairs of factors: windows of a strip, which each thread of a block takes some of; distances that
// are passed at a time; columns that a thread each has, of the scan and of its gradient.
inline constexpr int kPairStrip = 128;
inline constexpr int kPairThreads = 64;
inline constexpr int kPairThreadWindows = kPairStrip / kPairThreads;
inline constexpr int kPairTaps = 64;
inline constexpr int kPairColumns = 32;
// Floats of sites in memory at a time (32 MB), unless one sequence has more; as many slopes.
inline constexpr int kPairSites = 8 << 20;
// Slices of the sums of gradients at most, and floats of all of them, unless one slice has more.
inline constexpr int kPairSlices = 256;
inline constexpr int kPairSums = 4 << 20;

// Sites that exclude each other: windows of a strip of their scans, in tiles, and warps of a block;
// warps that both scans are cut for; and the bytes that their sums of odds take at most, unless one
// part of the motifs takes more.
inline constexpr int kExclusiveRowTiles = 4;
inline constexpr int kExclusiveWarps = 4;
inline constexpr int kExclusiveUnits = 4096;
inline constexpr int kExclusiveSums = 64 << 20;

// First capability with sparse products and bfloat16.
inline constexpr int kSparseCapability = 80;

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_TILES_H_
