// FASTQ text in memory: records of four lines, which end in LF or CR LF.

#ifndef CISREG_CSRC_READS_FASTQ_H_
#define CISREG_CSRC_READS_FASTQ_H_

#include <cstdint>
#include <string_view>

namespace cisreg::reads {

struct Record {
  std::string_view name;  // without the "@"
  std::string_view sequence;
  std::string_view quality;  // one letter for each base; higher means more certain
};

// What can be wrong with a record.
enum class Fault { kNone, kName, kSeparator, kQuality, kMates };

// Number of complete records in `text`, including the LF of the last one.
int64_t CountRecords(std::string_view text);

// Where the first `records` records end; `text` has as many.
int64_t RecordsEnd(std::string_view text, int64_t records);

// Takes the first record off `text`, which holds at least one.
Fault TakeRecord(std::string_view* text, Record* record);

// The name as far as the first blank or tab.
std::string_view Identifier(std::string_view name);

// Whether two names belong to one pair: their identifiers are equal, except for a 1 and a 2 at the
// end.
bool AreMates(std::string_view forward, std::string_view reverse);

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_FASTQ_H_
