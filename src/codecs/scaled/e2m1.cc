// Floats of 4 bits with scales, the first one of a byte in the low bits (MXFP4; NVFP4 of compressed-tensors).

#include "codecs/scaled/scaled.h"

namespace arrowquant {

extern const Codec kE2m1Scaled;
constinit const Codec kE2m1Scaled = scaled::codec<scaled::Nibbles<scaled::kE2m1, false>>(
    "E2M1_SCALED", scaled::kGroupSizes, scaled::decode<scaled::Nibbles<scaled::kE2m1, false>>);

extern const CodecReference kE2m1ScaledReference;
constinit const CodecReference kE2m1ScaledReference = {nullptr, scaled::decode<scaled::Nibbles<scaled::kE2m1, false>>};

}  // namespace arrowquant
