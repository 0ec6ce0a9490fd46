// Integers of 8 bits with scales (ComfyUI int8_tensorwise, compressed-tensors int-quantized).

#include "codecs/scaled/scaled.h"

namespace arrowquant {

extern const Codec kInt8Scaled;
constinit const Codec kInt8Scaled =
    scaled::codec<scaled::Int8>("I8_SCALED", scaled::kGroupSizes, scaled::decode<scaled::Int8>);

extern const CodecReference kInt8ScaledReference;
constinit const CodecReference kInt8ScaledReference = {nullptr, scaled::decode<scaled::Int8>};

}  // namespace arrowquant
