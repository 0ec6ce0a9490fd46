// FP4 of bitsandbytes: its own float of 4 bits, which is no E2M1; the first weight of a byte in the high bits, a scale
// for each block of the flattened tensor. The values are the f32 ones that its files carry.

#include "codecs/scaled/scaled.h"

namespace arrowquant {
namespace {

constexpr scaled::NibbleValues kValues = {
    0, 0.00520833349F,  0.666666687F,  1.0F,  0.333333343F,  0.5F,  0.166666672F,  0.25F,
    0, -0.00520833349F, -0.666666687F, -1.0F, -0.333333343F, -0.5F, -0.166666672F, -0.25F};

using Element = scaled::Nibbles<kValues, true>;

}  // namespace

extern const Codec kFp4;
constinit const Codec kFp4 = scaled::codec<Element>("FP4", scaled::kGroupSizes, scaled::decode<Element>);

extern const CodecReference kFp4Reference;
constinit const CodecReference kFp4Reference = {nullptr, scaled::decode<Element>};

}  // namespace arrowquant
