// NF4 of bitsandbytes: the quantiles of a normal distribution. The values are the f32 ones that its files carry.

#include "codecs/bitsandbytes/four_bits.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr bitsandbytes::Values kValues = {
    -1.0F,         -0.696192801F, -0.525073051F, -0.394917488F, -0.284441382F, -0.18477343F, -0.0910500363F, 0,
    0.0795802996F, 0.160930201F,  0.246112302F,  0.337915242F,  0.440709829F,  0.562617004F, 0.722956836F,   1.0F};

constexpr bitsandbytes::Order kOrder = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

using Nf4 = bitsandbytes::FourBits<kValues, kOrder>;

}  // namespace

extern const Codec kBnbNf4;
constinit const Codec kBnbNf4 = Nf4::codec<WasmLanes>("bnb_nf4");

extern const CodecReference kBnbNf4Reference;
constinit const CodecReference kBnbNf4Reference = {Nf4::encode<ScalarLanes>, Nf4::decode};

}  // namespace arrowquant
