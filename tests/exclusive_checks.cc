// What is checked on every device of where sites that exclude each other lie, as one C function.

#include <cstdint>
#include <string>

#include "exclusive/checks.h"

// `column_range` and `footprint`: [2, M], or null.
extern "C" const char* CheckFootprints(const int32_t* column_range, const int32_t* footprint,
                                       int64_t width, int64_t motifs) {
  static std::string error;
  cisreg::exclusive::Inputs inputs = {};
  inputs.scan.column_range = column_range;
  inputs.footprint = footprint;
  error = cisreg::exclusive::CheckFootprints(cisreg::MakeOccupancyShape(1, 10, width, motifs, true),
                                             inputs);
  return error.c_str();
}
