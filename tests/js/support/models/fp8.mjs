/** The two fp8 types by their definitions, sharing nothing with the package. */

/** Sign, `exponentBits` of exponent with this bias, the rest fraction; subnormals below. */
function valueOf(code, exponentBits, bias) {
  const fractionBits = 7 - exponentBits;
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (code & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

const codes = Array.from({ length: 256 }, (_, code) => code);

/** By dtype, the 256 values. E4M3 (of OCP, "fn") has no infinities and one NaN a sign; E5M2 has both, as IEEE types do. */
export const kFp8Values = {
  F8_E4M3: codes.map((code) => ((code & 0x7f) === 0x7f ? NaN : valueOf(code, 4, 7))),
  F8_E5M2: codes.map((code) => {
    if ((code & 0x7f) < 0x7c) return valueOf(code, 5, 15);
    return (code & 3) === 0 ? (code & 0x80 ? -Infinity : Infinity) : NaN;
  }),
};

export const fp8Tensor = (name, dtype, shape, bytes) => ({ name, dtype, shape, bytes: Buffer.from(bytes) });
