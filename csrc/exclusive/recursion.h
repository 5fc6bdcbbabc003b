// Sums over all configurations of a sequence, by forward-backward over its places.
//
// With E(b, w) the odds of all sites that cover the w places from b on, the sum over the
// configurations of the places before b is
//   before(b) = before(b - 1) + sum over w of before(b - w) E(b - w, w)
// and likewise behind(b) from the other end; Z = before(end). A site with these places and odds x
// is bound with probability x factor, factor(b, w) = before(b) behind(b + w) / Z.
//
// With a gain for each bound site, the mean gain of the configurations of the places before b
// follows as its derivative does: in dual numbers. The gradient of the mean gain of all with
// respect to a site's log odds is
//   x (factor gain + slope),   slope = factor (gain_before(b) + gain_behind(b + w) - mean gain).

#ifndef CISREG_CSRC_EXCLUSIVE_RECURSION_H_
#define CISREG_CSRC_EXCLUSIVE_RECURSION_H_

#include <cstdint>

namespace cisreg::exclusive {

// A sequence's sums, in float32; replaced by what the second scan reads.
struct PlaceSums {
  float* odds;     // [widths, stride]: E(b, w), then the factors
  float* gain;     // the same of odds times gain, then the slopes; null without gains
  int64_t stride;  // floats from one width to the next
};

// Scratch memory of one worker, each [places + widest + 1].
struct RecursionScratch {
  double* before;
  double* behind;
  double* gain_before;
  double* gain_behind;
  int32_t* power_before;
  int32_t* power_behind;
};

// Widths ascend. `upstream`: a gradient of the log partition function, added to the slopes. Returns
// the log partition function.
double SumConfigurations(const int32_t* widths, int64_t width_count, int64_t places, float upstream,
                         const RecursionScratch& scratch, const PlaceSums& sums);

}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_RECURSION_H_
