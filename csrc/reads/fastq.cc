#include "reads/fastq.h"

#include <algorithm>

namespace cisreg::reads {
namespace {

constexpr int kLines = 4;

std::string_view TakeLine(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

int64_t CountLines(std::string_view text) {
  // Counts of a byte are summed up sixteen at once.
  constexpr size_t kBlock = 128;
  int64_t lines = 0;
  for (; text.size() >= kBlock; text.remove_prefix(kBlock)) {
    uint8_t count = 0;
    for (size_t i = 0; i < kBlock; ++i) count += text[i] == '\n';
    lines += count;
  }
  return lines + std::count(text.begin(), text.end(), '\n');
}

}  // namespace

int64_t CountRecords(std::string_view text) { return CountLines(text) / kLines; }

int64_t RecordsEnd(std::string_view text, int64_t records) {
  if (records == 0) return 0;
  // Searches backwards, since there is little text after the records.
  size_t last = text.rfind('\n');
  for (int64_t surplus = CountLines(text) - kLines * records; surplus > 0; --surplus) {
    last = text.rfind('\n', last - 1);
  }
  return last + 1;
}

Fault TakeRecord(std::string_view* text, Record* record) {
  record->name = TakeLine(text);
  record->sequence = TakeLine(text);
  const std::string_view separator = TakeLine(text);
  record->quality = TakeLine(text);
  if (record->name.empty() || record->name.front() != '@') return Fault::kName;
  record->name.remove_prefix(1);
  if (separator.empty() || separator.front() != '+') return Fault::kSeparator;
  if (record->quality.size() != record->sequence.size()) return Fault::kQuality;
  return Fault::kNone;
}

std::string_view Identifier(std::string_view name) {
  return name.substr(0, name.find_first_of(" \t"));
}

bool AreMates(std::string_view forward, std::string_view reverse) {
  forward = Identifier(forward);
  reverse = Identifier(reverse);
  if (forward == reverse) return true;
  if (forward.empty() || forward.back() != '1' || reverse.empty() || reverse.back() != '2') {
    return false;
  }
  forward.remove_suffix(1);
  reverse.remove_suffix(1);
  return forward == reverse;
}

}  // namespace cisreg::reads
