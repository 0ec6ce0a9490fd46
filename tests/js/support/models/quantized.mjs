/** Quantized layers as other programs store them, with the values that they stand for; by the formats' definitions alone. */
import { kFp8Values } from './fp8.mjs';
import { fromFloats } from './safetensors.mjs';

/** Under Jest, every look at a global takes a microsecond. */
const { ceil, floor, fround, sqrt } = Math;
const range = (count, of) => Array.from({ length: count }, (_, index) => of(index));

/** Numbers that look random, the same in every run. */
export const noise = (count, most, seed = 1) => {
  let state = seed;
  return range(count, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % most;
  });
};

export const kE2m1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];

const bytesTensor = (name, dtype, shape, bytes) => ({ name, dtype, shape, bytes: Buffer.from(bytes) });

export const comfyQuant = (stem, config) => {
  const bytes = Buffer.from(typeof config === 'string' ? config : JSON.stringify(config));
  return bytesTensor(`${stem}.comfy_quant`, 'U8', [bytes.length], bytes);
};

/** Scales that differ by row. */
const rowScales = (rows) => range(rows, (row) => fround(0.01 * (row + 1)));

const finiteE4m3 = (count, seed) => noise(count, 0x7f, seed).map((code, i) => (i % 3 === 0 ? code | 0x80 : code));

/** Scales in cuBLAS's order, which is that of: tile down, tile right, row mod 32, row div 32 in the tile, column. */
function swizzled(rows, across, valueAt) {
  const tilesAcross = ceil(across / 4);
  const sizes = [ceil(rows / 128), tilesAcross, 32, 4, 4];
  return Uint8Array.from({ length: sizes.reduce((product, size) => product * size) }, (_, place) => {
    const digits = sizes.toReversed().map((size) => {
      const digit = place % size;
      place = floor(place / size);
      return digit;
    });
    const [column, quarter, line, right, down] = digits;
    const [row, scale] = [down * 128 + quarter * 32 + line, right * 4 + column];
    return row < rows && scale < across ? valueAt(row, scale) : 0;
  });
}

const matrix = (rows, columns, of) => range(rows * columns, (i) => fround(of(floor(i / columns), i % columns, i)));

/** Two codes in a byte. */
const packed = (codes, highFirst) =>
  range(ceil(codes.length / 2), (i) => {
    const [first, second = 0] = [codes[2 * i], codes[2 * i + 1]];
    return highFirst ? (first << 4) | second : (second << 4) | first;
  });

/** The normalized Hadamard matrix that ConvRot rotates with, entry by entry. */
function hadamard(size, row, column) {
  const four = [
    [1, 1, 1, -1],
    [1, 1, -1, 1],
    [1, -1, 1, 1],
    [-1, 1, 1, 1],
  ];
  let entry = 1;
  for (let left = size; left > 1; left /= 4, row = floor(row / 4), column = floor(column / 4)) {
    entry *= four[row % 4][column % 4];
  }
  return entry / sqrt(size);
}

/** Rotates each group of each row, in doubles. */
export function rotated(values, size) {
  return values.map((_, i) => {
    const begin = i - (i % size);
    let sum = 0;
    for (let k = 0; k < size; ++k) sum += hadamard(size, i - begin, k) * values[begin + k];
    return sum;
  });
}

/**
 * Each gives the tensors of a layer called `stem`, and of `stem`.weight the shape, the exact values, and what reports call it.
 * Where values are sums, `tolerance` is how far they may be off.
 */
export const kQuantized = {
  'comfy float8_e4m3fn': (stem) => {
    const codes = finiteE4m3(8 * 256, 3);
    return {
      tensors: [
        bytesTensor(`${stem}.weight`, 'F8_E4M3', [8, 256], codes),
        fromFloats(`${stem}.weight_scale`, 'F32', [], [0.0123]),
        fromFloats(`${stem}.input_scale`, 'F32', [], [3]),
        comfyQuant(stem, { format: 'float8_e4m3fn', full_precision_matrix_mult: true }),
      ],
      ...{ shape: [8, 256], format: 'F8_E4M3 scaled' },
      values: matrix(8, 256, (_, __, i) => kFp8Values.F8_E4M3[codes[i]] * fround(0.0123)),
    };
  },
  'fp8 rows': (stem) => {
    const codes = finiteE4m3(12 * 96, 4);
    const scales = rowScales(12);
    return {
      tensors: [
        bytesTensor(`${stem}.weight`, 'F8_E4M3', [12, 96], codes),
        fromFloats(`${stem}.weight_scale`, 'F32', [12, 1], scales),
      ],
      ...{ shape: [12, 96], format: 'fp8 rows' },
      values: matrix(12, 96, (row, _, i) => kFp8Values.F8_E4M3[codes[i]] * scales[row]),
    };
  },
  'fp8 blocks': (stem) => {
    const codes = finiteE4m3(300 * 160, 5);
    const scales = range(6, (i) => fround(0.003 * (i + 1)));
    return {
      tensors: [
        bytesTensor(`${stem}.weight`, 'F8_E4M3', [300, 160], codes),
        fromFloats(`${stem}.weight_scale_inv`, 'F32', [3, 2], scales),
      ],
      ...{ shape: [300, 160], format: 'fp8 blocks' },
      values: matrix(300, 160, (row, column, i) => {
        return kFp8Values.F8_E4M3[codes[i]] * scales[floor(row / 128) * 2 + floor(column / 128)];
      }),
    };
  },
  mxfp8: (stem) => {
    const codes = finiteE4m3(160 * 192, 6);
    const scaleAt = (row, block) => 90 + ((row * 7 + block * 3) % 40);
    return {
      tensors: [
        bytesTensor(`${stem}.weight`, 'F8_E4M3', [160, 192], codes),
        bytesTensor(`${stem}.weight_scale`, 'U8', [256, 8], swizzled(160, 6, scaleAt)),
        comfyQuant(stem, { format: 'mxfp8' }),
      ],
      ...{ shape: [160, 192], format: 'mxfp8' },
      values: matrix(160, 192, (row, column, i) => {
        return kFp8Values.F8_E4M3[codes[i]] * 2 ** (scaleAt(row, floor(column / 32)) - 127);
      }),
    };
  },
  nvfp4: (stem) => {
    const codes = noise(160 * 256, 16, 7);
    const scaleAt = (row, block) => (row * 5 + block * 11) % 0x7f;
    const factor = fround(0.00037);
    return {
      tensors: [
        bytesTensor(`${stem}.weight`, 'U8', [160, 128], packed(codes, true)),
        bytesTensor(`${stem}.weight_scale`, 'F8_E4M3', [256, 16], swizzled(160, 16, scaleAt)),
        fromFloats(`${stem}.weight_scale_2`, 'F32', [], [factor]),
        fromFloats(`${stem}.input_scale`, 'F32', [], [3]),
        comfyQuant(stem, { format: 'nvfp4' }),
      ],
      ...{ shape: [160, 256], format: 'nvfp4' },
      values: matrix(160, 256, (row, column, i) => {
        const scale = kFp8Values.F8_E4M3[scaleAt(row, floor(column / 16))];
        return kE2m1[codes[i]] * fround(factor * scale);
      }),
    };
  },
  'nvfp4 of compressed-tensors': (stem) => {
    const codes = noise(12 * 96, 16, 8);
    const scales = noise(12 * 6, 0x7f, 9);
    const factor = fround(1234.5);
    return {
      tensors: [
        bytesTensor(`${stem}.weight_packed`, 'U8', [12, 48], packed(codes, false)),
        bytesTensor(`${stem}.weight_scale`, 'F8_E4M3', [12, 6], scales),
        fromFloats(`${stem}.weight_global_scale`, 'F32', [1], [factor]),
        fromFloats(`${stem}.input_global_scale`, 'F32', [1], [5]),
      ],
      ...{ shape: [12, 96], format: 'nvfp4' },
      values: matrix(12, 96, (row, column, i) => {
        const scale = kFp8Values.F8_E4M3[scales[row * 6 + floor(column / 16)]];
        return kE2m1[codes[i]] * fround(scale / factor);
      }),
    };
  },
  'mxfp4 of compressed-tensors': (stem) => mxfp4(`${stem}.weight_packed`, stem, []),
  'comfy mxfp4': (stem) => mxfp4(`${stem}.weight`, stem, [comfyQuant(stem, { format: 'mxfp4' })]),
  'int8 of one scale': (stem) => int8(stem, [], [comfyQuant(stem, { format: 'int8_tensorwise' })]),
  'int8 rows': (stem) => int8(stem, [12, 1], [comfyQuant(stem, { format: 'int8_tensorwise', per_row: true })]),
  'int8 rows that nothing is said of': (stem) => int8(stem, [12], []),
  'int8 convrot': (stem) => {
    const codes = noise(2 * 512, 256, 11).map((code) => code - 128);
    const scales = rowScales(2);
    const config = { format: 'int8_tensorwise', convrot: true, convrot_groupsize: 256 };
    return {
      tensors: [
        bytesTensor(`${stem}.weight`, 'I8', [2, 512], codes),
        fromFloats(`${stem}.weight_scale`, 'F32', [2, 1], scales),
        comfyQuant(stem, config),
      ],
      ...{ shape: [2, 512], format: 'int8 convrot', tolerance: 2e-6 },
      values: rotated(
        matrix(2, 512, (row, _, i) => codes[i] * scales[row]),
        256,
      ),
    };
  },
  'int8 convrot of groups of 16': (stem) => {
    const codes = noise(24 * 48, 256, 12).map((code) => code - 128);
    const scales = rowScales(24);
    const config = { format: 'int8_tensorwise', params: { convrot: true, convrot_groupsize: 16 } };
    return {
      tensors: [
        bytesTensor(`${stem}.weight`, 'I8', [24, 48], codes),
        fromFloats(`${stem}.weight_scale`, 'F32', [24, 1], scales),
        comfyQuant(stem, config),
      ],
      ...{ shape: [24, 48], format: 'int8 convrot', tolerance: 2e-6 },
      values: rotated(
        matrix(24, 48, (row, _, i) => codes[i] * scales[row]),
        16,
      ),
    };
  },
  'int4 convrot': (stem) => {
    const codes = noise(6 * 256, 16, 13);
    const scales = rowScales(6);
    const config = { format: 'convrot_w4a4', convrot_groupsize: 64, quant_group_size: 64, linear_dtype: 'int4' };
    return {
      tensors: [
        bytesTensor(`${stem}.weight`, 'I8', [6, 128], packed(codes, false)),
        fromFloats(`${stem}.weight_scale`, 'F32', [6], scales),
        comfyQuant(stem, config),
      ],
      ...{ shape: [6, 256], format: 'int4 convrot', tolerance: 2e-6 },
      values: rotated(
        matrix(6, 256, (row, _, i) => (codes[i] > 7 ? codes[i] - 16 : codes[i]) * scales[row]),
        64,
      ),
    };
  },
  'bnb nf4': (stem) => bitsandbytes(stem, 'nf4', kNf4),
  'bnb fp4': (stem) => bitsandbytes(stem, 'fp4', kBnbFp4),
};

function mxfp4(weight, stem, others) {
  const codes = noise(12 * 96, 16, 10);
  const scales = noise(36, 40, 11).map((code) => code + 100);
  return {
    tensors: [
      bytesTensor(weight, 'U8', [12, 48], packed(codes, false)),
      bytesTensor(`${stem}.weight_scale`, 'U8', [12, 3], scales),
      ...others,
    ],
    ...{ shape: [12, 96], format: 'mxfp4' },
    values: matrix(12, 96, (row, column, i) => {
      return kE2m1[codes[i]] * 2 ** (scales[row * 3 + floor(column / 32)] - 127);
    }),
  };
}

function int8(stem, shape, others) {
  const codes = noise(12 * 96, 256, 12).map((code) => code - 128);
  const scales = shape.length === 0 ? [fround(0.021)] : rowScales(12);
  return {
    tensors: [
      bytesTensor(`${stem}.weight`, 'I8', [12, 96], codes),
      fromFloats(`${stem}.weight_scale`, 'F32', shape, scales),
      ...others,
    ],
    ...{ shape: [12, 96], format: 'int8 scaled' },
    values: matrix(12, 96, (row, _, i) => codes[i] * scales[shape.length === 0 ? 0 : row]),
  };
}

/** As the file of a checkpoint made by bitsandbytes 0.50.2 has them. */
const kNf4 = [
  ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334],
  ...[-0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
  ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
];
const kPositiveFp4 = [
  0, 0.0052083334885537624, 0.6666666865348816, 1, 0.3333333432674408, 0.5, 0.1666666716337204, 0.25,
];
const kBnbFp4 = [...kPositiveFp4, ...kPositiveFp4.map((value) => (value === 0 ? 0 : -value))];

/** Of 27 · 42 weights, so that the last block of 64 is short. */
export function bitsandbytes(stem, kind, values, state = {}) {
  const codes = noise(27 * 42, 16, 14);
  const absmax = range(18, (i) => fround(0.07 * (i + 1)));
  const text = JSON.stringify({ quant_type: kind, blocksize: 64, dtype: 'bfloat16', shape: [27, 42], ...state });
  return {
    tensors: [
      bytesTensor(`${stem}.weight`, 'U8', [567, 1], packed(codes, true)),
      fromFloats(`${stem}.weight.absmax`, 'F32', [18], absmax),
      fromFloats(`${stem}.weight.quant_map`, 'F32', [16], values),
      bytesTensor(`${stem}.weight.quant_state.bitsandbytes__${kind}`, 'U8', [text.length], Buffer.from(text)),
    ],
    ...{ shape: [27, 42], format: `bnb ${kind}` },
    values: codes.map((code, i) => fround(values[code] * absmax[floor(i / 64)])),
  };
}
