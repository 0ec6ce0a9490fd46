import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { openKernels } from '../lib/kernels.mjs';
import { median, sampleWeights, timeRepeated } from '../lib/measure.mjs';

const ROWS = 256;
const COLUMNS = 1024;
const BLOCK = 32;

/** Kernels of formats of other programs, with the affine kernel of the same bits and groups. */
const KERNELS = [
  ['onnx_blocks int4 groups of 32 symmetric', 32],
  ['onnx_blocks int4 groups of 32', 32],
  ['onnx_blocks int4 groups of 128', 128],
  ['onnx_blocks int8 groups of 32', 32],
  ['onnx_blocks int2 groups of 32', 32],
  ['onnx_int8', null],
  ['onnx_uint8', null],
  ['onnx_f16', null],
  ['onnx_gather4 groups of 32 symmetric', 32],
  ['onnx_bnb_nf4 groups of 64', null],
  ['bnb_nf4 groups of 64', null],
  ['bnb_fp4 groups of 64', null],
  ['mlx_f32 int4 groups of 64', 64],
  ['mlx_bf16 int4 groups of 64', 64],
  ['mlx_mxfp4_f32 groups of 32', null],
  ['mlx_mxfp8_f32 groups of 32', null],
  ['mlx_nvfp4_f32 groups of 16', null],
  ['mlc_q4f16 groups of 32', 32],
  ['ct_int_f32 int4 groups of 128 symmetric', 128],
  ['ct_int_bf16 int4 groups of 128 symmetric', 128],
  ['ct_int_bf16 int4 groups of 128', 128],
  ['ct_nvfp4_bf16', null],
  ['ct_mxfp4_bf16', null],
];

/** MatMulNBits's symmetric blocks of 4 bits as one would write them down in JavaScript: down the columns of a matrix. */
function quantizeColumns(weights, levels, scales) {
  const blocks = ROWS / BLOCK;
  for (let column = 0; column < COLUMNS; ++column) {
    for (let block = 0; block < blocks; ++block) {
      const begin = block * BLOCK * COLUMNS + column;
      let extreme = 0;
      for (let i = 0, at = begin; i < BLOCK; ++i, at += COLUMNS) {
        if (Math.abs(weights[at]) > Math.abs(extreme)) extreme = weights[at];
      }
      const scale = extreme / -8;
      const inverse = scale === 0 ? 0 : 1 / scale;
      scales[column * blocks + block] = scale;
      let to = (column * blocks + block) * (BLOCK / 2);
      for (let i = 0, at = begin; i < BLOCK; i += 2, at += 2 * COLUMNS) {
        const low = Math.min(15, Math.max(0, Math.round(weights[at] * inverse + 8)));
        const high = Math.min(15, Math.max(0, Math.round(weights[at + COLUMNS] * inverse + 8)));
        levels[to++] = low | (high << 4);
      }
    }
  }
}

const PYTHON = `
import time, numpy as np
from onnxruntime.capi._pybind_state import quantize_matmul_4bits
rows, columns = ${String(ROWS * 4)}, ${String(COLUMNS)}
weights = np.random.default_rng(1).standard_normal((rows, columns)).astype(np.float32)
packed = np.zeros((columns, rows // ${String(BLOCK)}, ${String(BLOCK / 2)}), np.uint8)
scales = np.zeros(columns * rows // ${String(BLOCK)}, np.float32)
zero_points = np.zeros(columns * rows // ${String(BLOCK * 2)}, np.uint8)
times = []
for _ in range(15):
    begin = time.perf_counter()
    quantize_matmul_4bits(packed, weights, scales, zero_points, ${String(BLOCK)}, columns, rows, True)
    times.append(time.perf_counter() - begin)
print(weights.nbytes / 1e9 / sorted(times)[7])
`;

/** GB/s of ONNX Runtime's own quantizer, all of its threads; null where PYTHON (or python3) has no onnxruntime. */
async function measurePython() {
  try {
    const { stdout } = await promisify(execFile)(process.env.PYTHON ?? 'python3', ['-c', PYTHON]);
    return Number(stdout);
  } catch {
    return null;
  }
}

/** Formats of other programs, a kernel on one thread each, 1 MiB of weights in cache. */
export async function formats({ rounds }) {
  const runKernels = await openKernels();
  const weights = sampleWeights(ROWS * COLUMNS);
  const [levels, scales] = [new Uint8Array(weights.length / 2), new Float32Array(weights.length / BLOCK)];
  const samples = new Map();
  for (let round = -1; round < rounds; ++round) {
    const speeds = await runKernels(weights.length, 3, 'encode ');
    const milliseconds = await timeRepeated(() => {
      quantizeColumns(weights, levels, scales);
    });
    speeds.set('plain JavaScript', weights.byteLength / 1e6 / milliseconds);
    const python = await measurePython();
    if (python !== null) speeds.set('onnxruntime in Python', python);
    // The first round does not count: engines compile in two steps.
    if (round < 0) continue;
    for (const [name, value] of speeds) samples.set(name, [...(samples.get(name) ?? []), value]);
  }
  return formatsGroup(new Map([...samples].map(([name, values]) => [name, median(values)])));
}

function formatsGroup(speeds) {
  const row = (name, speed, beside) => ({
    name,
    unit: 'GB/s',
    median: speed,
    gigabytesPerSecond: speed,
    ratio: beside === undefined ? null : speed / beside,
  });
  const kernels = KERNELS.map(([name, group]) =>
    row(name, speeds.get(`encode ${name}`), speeds.get(`encode int4 groups of ${String(group)}`)),
  );
  // The same as the first, from a plain loop and from ONNX Runtime's own quantizer.
  const others = ['plain JavaScript', 'onnxruntime in Python'].filter((name) => speeds.has(name));
  return {
    id: 'formats',
    title: `Kernels of formats of other programs, ${String((ROWS * COLUMNS * 4) / 2 ** 20)} MiB of weights; ratios to int4 in groups of the same size`,
    reference: 'int4',
    memcpy: speeds.get('memcpy'),
    results: [...kernels, ...others.map((name) => row(`${KERNELS[0][0]}, ${name}`, speeds.get(name)))],
  };
}
