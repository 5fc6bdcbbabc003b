#include "sequence/one_hot_text.h"

#include <cstring>
#include <vector>

#include "common/bases.h"

namespace cisreg {
namespace {

// Whether the `count` fields, of which the first tab is at `fields`, are all of one character, 0 or
// 1. There are 2 count characters.
bool AllBits(const char* fields, int64_t count) {
  bool all = true;
  for (int64_t field = 0; field < count; ++field) {
    const char bit = fields[2 * field + 1];
    all &= fields[2 * field] == '\t' && (bit == '0' || bit == '1');
  }
  return all;
}

// What is wrong with a line whose fields are not all bits.
void FindFault(const char* begin, const char* end, int64_t count, OneHotResult* result) {
  int64_t fields = 1, first_bad = 0;
  const char* field = begin;
  for (const char* text = begin; text <= end; ++text) {
    if (text < end && *text != '\t') continue;
    const bool bit = text - field == 1 && (*field == '0' || *field == '1');
    if (!bit && fields > 1 && first_bad == 0) first_bad = fields;
    field = text + 1;
    fields += text < end;
  }
  const bool complete = fields == count + 1;
  result->fault = complete ? OneHotFault::kField : OneHotFault::kFieldCount;
  result->field = complete ? first_bad : fields;
}

// Fills `codes`; the position that has two bases, or -1.
int64_t ParseFields(const char* fields, int64_t length, uint8_t* codes) {
  std::memset(codes, kUnknownBase, length);
  int64_t twice = -1;
  for (int base = 0; base < kBases; ++base) {
    const char* of_base = fields + 2 * base * length + 1;
    for (int64_t position = 0; position < length; ++position) {
      if (of_base[2 * position] != '1') continue;
      if (codes[position] != kUnknownBase && twice < 0) twice = base * length + position;
      codes[position] = static_cast<uint8_t>(base);
    }
  }
  return twice;
}

}  // namespace

void FormatOneHot(const SequenceText& labels, const uint8_t* codes, int64_t length, char* lines) {
  const int64_t line_size = OneHotLineSize(length);
  std::vector<char> zeros(line_size, '0');
  for (int64_t field = 0; field < kBases * length; ++field) zeros[2 * field] = '\t';
  zeros[line_size - 1] = '\n';
  for (int64_t row = 0; row < labels.count; ++row, codes += length) {
    const int64_t label_size = labels.offsets[row + 1] - labels.offsets[row];
    std::memcpy(lines, labels.data + labels.offsets[row], label_size);
    lines += label_size;
    std::memcpy(lines, zeros.data(), line_size);
    for (int64_t position = 0; position < length; ++position) {
      if (codes[position] < kBases) lines[2 * (codes[position] * length + position) + 1] = '1';
    }
    lines += line_size;
  }
}

OneHotResult ParseOneHot(const char* text, int64_t size, int64_t length, const OneHotRows& rows) {
  OneHotResult result;
  const char* const text_end = text + size;
  const int64_t fields_size = OneHotLineSize(length) - 1;
  for (const char* begin = text; begin < text_end; ++result.line) {
    const char* next = static_cast<const char*>(std::memchr(begin, '\n', text_end - begin));
    const char* end = next == nullptr ? text_end : next;
    next = next == nullptr ? text_end : next + 1;
    if (end > begin && end[-1] == '\r') --end;
    const char* const line = begin;
    begin = next;
    if (line == end || *line == '#') continue;
    const char* label_end = static_cast<const char*>(std::memchr(line, '\t', end - line));
    if (label_end == nullptr) label_end = end;
    if (end - label_end != fields_size || !AllBits(label_end, kBases * length)) {
      FindFault(line, end, kBases * length, &result);
      return result;
    }
    const int64_t twice = ParseFields(label_end, length, rows.codes + result.rows * length);
    if (twice >= 0) {
      result.fault = OneHotFault::kTwoBases;
      result.field = twice + 2;
      return result;
    }
    rows.label_begin[result.rows] = line - text;
    rows.label_end[result.rows] = label_end - text;
    rows.line[result.rows] = result.line;
    ++result.rows;
  }
  return result;
}

}  // namespace cisreg
