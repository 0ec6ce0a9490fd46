// NF4 of bitsandbytes: the quantiles of a normal distribution, the first weight of a byte in the high bits, a scale for
// each block of the flattened tensor. The values are the f32 ones that its files carry.

#include "codecs/scaled/scaled.h"

namespace arrowquant {
namespace {

constexpr scaled::NibbleValues kValues = {
    -1.0F,         -0.696192801F, -0.525073051F, -0.394917488F, -0.284441382F, -0.18477343F, -0.0910500363F, 0,
    0.0795802996F, 0.160930201F,  0.246112302F,  0.337915242F,  0.440709829F,  0.562617004F, 0.722956836F,   1.0F};

using Element = scaled::Nibbles<kValues, true>;

}  // namespace

extern const Codec kNf4;
constinit const Codec kNf4 = scaled::codec<Element>("NF4", scaled::kGroupSizes, scaled::decode<Element>);

extern const CodecReference kNf4Reference;
constinit const CodecReference kNf4Reference = {nullptr, scaled::decode<Element>};

}  // namespace arrowquant
