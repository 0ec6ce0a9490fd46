import { BLOCK_TYPES } from 'arrowquant';
import { buildWebKernels } from '../../tools/build/kernels.mjs';
import { measure, median, sampleWeights, timeRepeated } from '../lib/measure.mjs';
import { openLlama } from '../../tests/peers/llama.mjs';
import { SITES } from './pages.mjs';

const WEIGHTS = 262_144;
const ENCODED_WEIGHTS = 4 << 20;
const THREADS = 2;

/** Each kernel on the page's own thread, `encode()` in both kinds of pages, and llama.cpp's library in this process. */
export async function kernelsInPages({ pages, browser, rounds }) {
  await buildWebKernels();
  const llama = openLlama();
  const weights = sampleWeights(WEIGHTS);
  const target = new Uint8Array(WEIGHTS * 4);
  const speeds = new Map();
  const cases = [
    {
      name: 'kernels',
      bytes: 0,
      async run() {
        for (const { name, gigabytesPerSecond } of await pages.isolated.run('kernels', {
          weights: WEIGHTS,
          rounds: 3,
        })) {
          speeds.set(name, [...(speeds.get(name) ?? []), gigabytesPerSecond]);
        }
      },
    },
    ...BLOCK_TYPES.flatMap((type) => [
      ...(llama === null ? [] : [nativeCase(llama, type, weights, target)]),
      ...Object.keys(SITES).map((site) => ({
        name: `${type} ${site}`,
        bytes: ENCODED_WEIGHTS * 4,
        run: () => pages[site].run('encode', { type, weights: ENCODED_WEIGHTS, threads: THREADS }),
      })),
    ]),
  ];
  const results = await measure(cases, rounds);
  const speedOf = (wanted) => results.find(({ name }) => name === wanted)?.gigabytesPerSecond ?? null;
  const blocks = BLOCK_TYPES.map((name) => ({
    name,
    native: speedOf(`${name} native`),
    kernel: median(speeds.get(`encode ${name}`)),
    isolated: speedOf(`${name} isolated`),
    plain: speedOf(`${name} plain`),
  }));
  return {
    id: 'kernels-in-page',
    title: `Block formats in ${browser}, GB/s of float32 input`,
    table: blockTable(blocks),
  };
}

const nativeCase = (llama, type, weights, target) => ({
  name: `${type} native`,
  bytes: weights.byteLength,
  run: () => timeRepeated(() => llama.encode(type, weights, target)),
});

function blockTable(blocks) {
  const speed = (value) => (value === null ? '–' : value.toPrecision(value < 1 ? 2 : 3));
  const times = (value, base) => (base === null ? '–' : `${(value / base).toFixed(2)} ×`);
  return {
    head: [
      '',
      'llama.cpp, native',
      'kernel in the page',
      '×',
      'encode(), 2 threads',
      '×',
      '2 workers, not isolated',
      '×',
    ],
    rows: blocks.map(({ name, native, kernel, isolated, plain }) => [
      name,
      speed(native),
      ...[kernel, isolated, plain].flatMap((value) => [speed(value), times(value, native)]),
    ]),
  };
}
