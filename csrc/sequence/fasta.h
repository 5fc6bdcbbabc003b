// Base codes from the text of FASTA files, block by block.

#ifndef CISREG_CSRC_SEQUENCE_FASTA_H_
#define CISREG_CSRC_SEQUENCE_FASTA_H_

#include <cstdint>
#include <vector>

namespace cisreg {

// Where in a line the text goes on.
enum class FastaPlace : uint8_t {
  kLineStart = 0,  // nothing of the line was there but blanks
  kSequence = 1,   // behind letters
  kBlank = 2,      // behind letters and a blank: only blanks may follow
  kComment = 3,    // in a line that begins with ; or #
};

// Why the reading of a block ended.
enum class FastaStop : uint8_t {
  kTextEnd = 0,
  kHeader = 1,   // a header follows whose end is not in the block
  kFull = 2,     // a letter follows for which there is no room
  kForeign = 3,  // what follows is no nucleotide code, or letters behind a blank
};

struct FastaHeader {
  int64_t begin;  // of the text behind >
  int64_t end;    // of its line, without the line end
  int64_t bases;  // codes that were written before it
  int64_t line;   // line ends before it
};

struct FastaResult {
  FastaStop stop = FastaStop::kTextEnd;
  FastaPlace place = FastaPlace::kLineStart;
  int64_t text = 0;   // bytes that were read
  int64_t bases = 0;  // codes that were written
  int64_t lines = 0;  // line ends among these bytes
  std::vector<FastaHeader> headers;
};

// Where a block goes on, and where its codes go.
struct FastaBlock {
  const uint8_t* text;
  int64_t size;
  FastaPlace place;
  bool masked_unknown;  // whether letters in lower case are unknown bases
  uint8_t* codes;
  int64_t room;
};

// Reads headers and lines of sequence. Blanks around a line, blank lines, and lines that begin with
// ; or # are skipped. The codes of all sequences follow each other without a gap.
FastaResult EncodeFasta(const FastaBlock& block);

}  // namespace cisreg

#endif  // CISREG_CSRC_SEQUENCE_FASTA_H_
