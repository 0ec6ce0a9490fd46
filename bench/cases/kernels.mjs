import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
import { openKernels } from '../lib/kernels.mjs';
import { median, sampleWeights } from '../lib/measure.mjs';
import { openNativeLlama } from '../lib/native-llama.mjs';
import { openLlama } from '../../tests/peers/llama.mjs';

const WEIGHTS = 262144;
const ROW_WEIGHTS = 1024;

/** Median speed in GB/s of float32 input, of 3 runs at least and for 40 ms at least. */
async function speed(work, bytes) {
  const times = [];
  const start = performance.now();
  while (times.length < 3 || performance.now() - start < 40) {
    const before = performance.now();
    await work();
    times.push(performance.now() - before);
  }
  return bytes / 1e6 / median(times);
}

/** Speed of each kernel on two threads of two processes at once: both go through the same list. */
async function runTwice(runKernels) {
  const [one, other] = await Promise.all([runKernels(WEIGHTS, 3), runKernels(WEIGHTS, 3)]);
  return [...one].map(([name, value]) => [name, value + other.get(name)]);
}

/** The same bytes in turns from our kernel, from `encode()` with 1 and 2 threads, and from llama.cpp's library. */
export async function kernels({ rounds }) {
  const runKernels = await openKernels();
  const llama = openLlama();
  const native = llama && (await openNativeLlama());
  const weights = sampleWeights(WEIGHTS);
  const large = sampleWeights(WEIGHTS * 64);
  const ones = new Float32Array(ROW_WEIGHTS).fill(1);
  // Some types cannot do without.
  const needed = (name) => (llama.needsImportance(name) ? ones : null);
  const target = new Uint8Array(WEIGHTS * 4);
  const quantizers = await Promise.all([1, 2].map((threads) => ArrowQuant.create({ threads })));
  const samples = new Map();
  // The first round does not count: engines compile in two steps.
  let counts = false;
  const add = (name, value) => counts && samples.set(name, [...(samples.get(name) ?? []), value]);
  for (let round = -1; round < rounds; ++round) {
    counts = round >= 0;
    for (const [name, value] of await runKernels(WEIGHTS, 3)) add(name, value);
    for (const [name, value] of await runTwice(runKernels)) add(`2 × ${name}`, value);
    for (const name of BLOCK_TYPES) {
      if (llama) {
        const encode = (importance) => speed(() => llama.encode(name, weights, target, importance), weights.byteLength);
        add(`native ${name}`, await encode(needed(name)));
        add(`native ${name} better`, await encode(ones));
      }
      if (native) {
        const { type } = llama.types.get(name);
        const encode = () => native.encode(type, weights, target, needed(name));
        add(`native built ${name}`, await speed(encode, weights.byteLength));
      }
      for (const [i, quantizer] of quantizers.entries()) {
        const encode = () => quantizer.encode(large, name);
        add(`encode() ${name} ${i + 1}`, await speed(encode, large.byteLength));
      }
    }
  }
  await Promise.all(quantizers.map((quantizer) => quantizer.dispose()));
  const speeds = new Map([...samples].map(([name, values]) => [name, median(values)]));
  return {
    id: 'kernels',
    title: `Kernels on ${(WEIGHTS * 4) / 2 ** 20} MiB of weights; encode() on ${large.byteLength / 2 ** 20} MiB`,
    ...affineTable(speeds),
    blocks: blockTable(speeds),
    efforts: effortTable(speeds),
  };
}

/** Our speeds with each effort in GB/s, beside llama.cpp's with an importance matrix of ones, and without one. */
function effortTable(speeds) {
  return BLOCK_TYPES.map((name) => {
    const [native, nativeBetter] = [`native ${name}`, `native ${name} better`].map((one) => speeds.get(one) ?? null);
    const [better, best] = ['better', 'best'].map((effort) => speeds.get(`encode ${name} ${effort}`) ?? null);
    const ratio = (value, base) => (value === null || base === null ? null : value / base);
    return {
      name,
      nativeBetter,
      better,
      betterRatio: ratio(better, nativeBetter),
      native,
      best,
      bestRatio: ratio(best, native),
    };
  }).filter(({ better, best }) => better !== null || best !== null);
}

function affineTable(speeds) {
  const memcpy = speeds.get('memcpy');
  const isOfBlocks = (name) => BLOCK_TYPES.includes(name.split(' ')[1]);
  const names = [...speeds.keys()].filter((name) => !/^(native|encode\(\)|2 ×) /.test(name) && !isOfBlocks(name));
  const results = names.map((name) => ({
    name,
    unit: 'ms',
    median: (WEIGHTS * 4) / 1e6 / speeds.get(name),
    gigabytesPerSecond: speeds.get(name),
    ratio: speeds.get(name) / memcpy,
    onTwoThreads: speeds.get(`2 × ${name}`),
  }));
  return { reference: 'memcpy', results };
}

/** Our speeds in GB/s beside llama.cpp's. */
function blockTable(speeds) {
  return BLOCK_TYPES.map((name) => {
    const native = speeds.get(`native ${name}`) ?? null;
    const built = speeds.get(`native built ${name}`) ?? null;
    const ratio = (value, base = native) => (base === null ? null : value / base);
    const kernel = speeds.get(`encode ${name}`);
    const [one, two] = [1, 2].map((threads) => speeds.get(`encode() ${name} ${threads}`));
    return {
      name,
      native,
      built,
      kernel,
      kernelTwo: speeds.get(`2 × encode ${name}`),
      reference: speeds.get(`encode ${name} (reference)`),
      decode: speeds.get(`decode ${name}`),
      encodeOne: one,
      encodeTwo: two,
      kernelRatio: ratio(kernel),
      builtRatio: ratio(kernel, built),
      encodeOneRatio: ratio(one),
      encodeTwoRatio: ratio(two),
    };
  });
}
