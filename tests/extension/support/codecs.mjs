/** What each codec of the table makes of weights, found out without files. */
import { BLOCK_TYPES, CODECS } from './package.mjs';
import { throughRowSigns } from './row-signs.mjs';

const { abs, floor, fround, log2, max } = Math;

/** A codec with parameters, as options of `quantizeFile`; `label` is what reports call it. */
export const kChoices = CODECS.filter(({ foreign }) => !foreign).flatMap(choicesOf);

function choicesOf({ name, bits, groupSizes, symmetric }) {
  if (bits.length === 0) return [{ name, label: name, options: { type: name } }];
  return bits.flatMap((width) =>
    groupSizes.flatMap((size) =>
      (symmetric ? [false, true] : [false]).map((isSymmetric) => ({
        name,
        label: `int${width} ${size === 0 ? 'tensor' : `g${size}`}${isSymmetric ? ' symmetric' : ''}`,
        options: { type: name, bits: width, groupSize: size === 0 ? 'tensor' : size, symmetric: isSymmetric },
      })),
    ),
  );
}

const kByLabel = new Map(kChoices.map((choice) => [choice.label, choice]));

/**
 * Weights as they come back from a codec.
 *
 * @param {ArrowQuant} quantizer
 * @param {{data: Float32Array, shape: number[]}} weights
 * @param {string} label as reports have it
 * @param {{importance?: Float32Array, effort?: string}} [search]
 * @returns {Promise<Float32Array>}
 */
export async function restored(quantizer, { data, shape }, label, search) {
  if (BLOCK_TYPES.includes(label)) {
    return quantizer.decode(await quantizer.encode({ data, shape }, label, search), label);
  }
  const { name, options } = kByLabel.get(label);
  if (name === 'row_signs') return throughRowSigns(data, shape.at(-1), search);
  if (name === 'affine') {
    const { bits, groupSize, symmetric } = options;
    const batch = await quantizer.quantizeBatch({ x: { data, shape } }, bits, { groupSize, symmetric });
    return quantizer.dequantize(batch.get('x'));
  }
  return data.map(kRounding[name]);
}

/** `value` to a whole number, half to even. */
function nearestEven(value) {
  const down = floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

/** `value` with so many bits of fraction, and no place smaller than that of 2^leastExponent. */
function rounded(value, fractionBits, leastExponent) {
  if (value === 0) return value;
  const place = 2 ** (max(floor(log2(abs(value))), leastExponent) - fractionBits);
  return fround(nearestEven(value / place) * place);
}

const kRounding = {
  F32: (value) => value,
  F16: (value) => rounded(value, 10, -14),
  BF16: (value) => rounded(value, 7, -126),
};
