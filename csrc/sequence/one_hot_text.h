// One-hot text as CisRegModels reads it: a label, then 4 L zeros and ones, all with tabs between.
// The first L are 1 where the sequence has A, the next L where it has C, then G, then T.

#ifndef CISREG_CSRC_SEQUENCE_ONE_HOT_TEXT_H_
#define CISREG_CSRC_SEQUENCE_ONE_HOT_TEXT_H_

#include <cstdint>

#include "sequence/encode.h"

namespace cisreg {

// Bytes of a line without its label: 4 L fields, a tab before each, and the line's end.
constexpr int64_t OneHotLineSize(int64_t length) { return 8 * length + 1; }

// Writes a line for each of the labels; `lines` has room for the labels and
// `OneHotLineSize(length)` each. codes: [labels.count, length], 0 to 4; a 4 is zero for all bases.
void FormatOneHot(const SequenceText& labels, const uint8_t* codes, int64_t length, char* lines);

// What can be wrong with a line.
enum class OneHotFault {
  kNone,
  kFieldCount,  // another number of fields than 4 length
  kField,       // a field that is neither 0 nor 1
  kTwoBases,    // two bases at one position
};

struct OneHotResult {
  OneHotFault fault = OneHotFault::kNone;
  int64_t rows = 0;   // parsed before the fault
  int64_t line = 0;   // of the fault, counted from 0, those that are skipped included
  int64_t field = 0;  // of the fault, counted from 1, the label first; or how many there are
};

// Where the parsed rows go; each has room for as many as the text has lines.
struct OneHotRows {
  uint8_t* codes;        // [rows, length]
  int64_t* label_begin;  // in the text
  int64_t* label_end;
  int64_t* line;  // counted from 0
};

// Parses whole lines, each ending in LF or CR LF; blank ones and those that begin with # are
// skipped.
OneHotResult ParseOneHot(const char* text, int64_t size, int64_t length, const OneHotRows& rows);

}  // namespace cisreg

#endif  // CISREG_CSRC_SEQUENCE_ONE_HOT_TEXT_H_
