// How motifs are put into blocks of sites, and how positions are cut into pieces.
//
// A site is a motif on one strand. In a block, each site is moved so that its own first column is
// column 0, and its columns are written as the forward strand reads them. So blocks are as wide as
// their widest site, not as the window, and both strands are computed alike.

#ifndef CISREG_CSRC_MUTATIONS_LAYOUT_H_
#define CISREG_CSRC_MUTATIONS_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "mutations/problem.h"
#include "occupancy/plan.h"

namespace cisreg::mutations {

// Bases that a mutation can put in the place of one.
inline constexpr int kOtherBases = kBases - 1;
// Pairs of base codes, each of which has a row in the tables of a pair of columns.
inline constexpr int kBasePairs = kBaseCodes * kBaseCodes;

// How the sites of a block are computed, by the strongest and weakest that they can be.
enum class Strength {
  kFourPerDivision,  // odds up to 2^30: four fit into one division
  kTwoPerDivision,   // odds up to 2^60
  kLogarithms,       // any odds, kept as base-2 logarithms
};

// A motif on one strand.
struct Site {
  int32_t motif;  // -1: none, fills the last block
  int32_t strand;
  int32_t width;          // columns
  int32_t first_column;   // of the window, as the forward strand reads it
  int32_t counted_first;  // columns of the window that must touch the span: first
  int32_t counted_end;    // and one past the last
};

struct Block {
  Strength strength;
  int32_t width;
  int32_t least_width;  // of its sites
  Site site[kBlockSites];
  // Where its tables begin, in floats; see tables.h.
  int64_t tables;
};

// A few neighbouring positions of one sequence.
struct Piece {
  int64_t sequence;
  int64_t begin, end;
};

struct Layout {
  // Sorted by strength, then by width. Motifs without concentration are in none.
  std::vector<Block> blocks;
  int64_t most_width;
  int64_t table_floats;
  int64_t piece_positions;  // most positions of a piece
  int64_t pieces_per_sequence;
};

Layout MakeLayout(const Problem& problem);

// Pairs of columns that hold so many columns.
constexpr int64_t PairsOf(int64_t width) { return (width + 1) / 2; }

// Floats that the tables of a block take, see tables.h.
int64_t TableFloats(const Problem& problem, int64_t width);

Piece PieceAt(const Layout& layout, int64_t index, int64_t length);

}  // namespace cisreg::mutations

#endif  // CISREG_CSRC_MUTATIONS_LAYOUT_H_
