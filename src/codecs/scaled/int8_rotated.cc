// The same, rotated by a Hadamard matrix (ComfyUI int8_tensorwise with convrot).

#include "codecs/scaled/scaled.h"

namespace arrowquant {

extern const Codec kInt8Rotated;
constinit const Codec kInt8Rotated =
    scaled::codec<scaled::Int8>("I8_ROTATED", scaled::kRotations, scaled::decode_rotated<scaled::Int8>);

extern const CodecReference kInt8RotatedReference;
constinit const CodecReference kInt8RotatedReference = {nullptr, scaled::decode_rotated<scaled::Int8>};

}  // namespace arrowquant
