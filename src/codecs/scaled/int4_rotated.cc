// Integers of 4 bits in two's complement with scales, the first one of a byte in the low bits, rotated by a Hadamard
// matrix (ComfyUI convrot_w4a4).

#include "codecs/scaled/scaled.h"

namespace arrowquant {
namespace {

constexpr scaled::NibbleValues kValues = {0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1};

using Element = scaled::Nibbles<kValues, false>;

}  // namespace

extern const Codec kInt4Rotated;
constinit const Codec kInt4Rotated =
    scaled::codec<Element>("I4_ROTATED", scaled::kRotations, scaled::decode_rotated<Element>);

extern const CodecReference kInt4RotatedReference;
constinit const CodecReference kInt4RotatedReference = {nullptr, scaled::decode_rotated<Element>};

}  // namespace arrowquant
