// Floats of 4 bits with scales, the first one of a byte in the high bits (NVFP4 of ComfyUI).

#include "codecs/scaled/scaled.h"

namespace arrowquant {

extern const Codec kE2m1HighScaled;
constinit const Codec kE2m1HighScaled = scaled::codec<scaled::Nibbles<scaled::kE2m1, true>>(
    "E2M1_HIGH_SCALED", scaled::kGroupSizes, scaled::decode<scaled::Nibbles<scaled::kE2m1, true>>);

extern const CodecReference kE2m1HighScaledReference;
constinit const CodecReference kE2m1HighScaledReference = {nullptr,
                                                           scaled::decode<scaled::Nibbles<scaled::kE2m1, true>>};

}  // namespace arrowquant
