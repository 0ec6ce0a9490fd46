// FP4 of bitsandbytes: its own float of 4 bits, which is no E2M1. The values are the f32 ones that its files carry.

#include "codecs/bitsandbytes/four_bits.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr bitsandbytes::Values kValues = {
    0, 0.00520833349F,  0.666666687F,  1.0F,  0.333333343F,  0.5F,  0.166666672F,  0.25F,
    0, -0.00520833349F, -0.666666687F, -1.0F, -0.333333343F, -0.5F, -0.166666672F, -0.25F};

/// Of the two zeros the library's sorting puts 0 before 8: what is a little above zero takes 8, what is below takes 0.
constexpr bitsandbytes::Order kOrder = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};

using Fp4 = bitsandbytes::FourBits<kValues, kOrder>;

}  // namespace

extern const Codec kBnbFp4;
constinit const Codec kBnbFp4 = Fp4::codec<WasmLanes>("bnb_fp4");

extern const CodecReference kBnbFp4Reference;
constinit const CodecReference kBnbFp4Reference = {Fp4::encode<ScalarLanes>, Fp4::decode};

}  // namespace arrowquant
