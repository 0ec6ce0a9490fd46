import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ArrowQuant } from 'arrowquant';
import { measure, median, sampleWeights } from '../lib/measure.mjs';

const uniformLayers = (count, layerWeights) => {
  const all = sampleWeights(count * layerWeights);
  const layer = (i) => [`layer.${i}`, all.subarray(i * layerWeights, (i + 1) * layerWeights)];
  return new Map(Array.from({ length: count }, (_, i) => layer(i)));
};

/** The longest time that the calling thread's event loop stood still during `work`, in milliseconds. */
async function longestStretch(work) {
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  monitor.enable();
  await work();
  monitor.disable();
  return monitor.max / 1e6;
}

/** The median over `pairs` runs of each of how much longer `longer` takes than `shorter`, in milliseconds and per cent. */
async function difference(shorter, longer, pairs) {
  const time = async (work) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  const milliseconds = [];
  const percent = [];
  for (let i = 0; i < pairs; ++i) {
    const inTurn = i % 2 === 0;
    const first = await time(inTurn ? shorter : longer);
    const second = await time(inTurn ? longer : shorter);
    const [less, more] = inTurn ? [first, second] : [second, first];
    milliseconds.push(more - less);
    percent.push((more / less - 1) * 100);
  }
  return { milliseconds: median(milliseconds), percent: median(percent) };
}

/** What progress costs, how small batches do, how long starting takes, and how long the calling thread is kept. */
export async function progress({ rounds }) {
  const quantizer = await ArrowQuant.create({ threads: 2 });
  const large = uniformLayers(16, 4 << 20);
  const small = uniformLayers(1000, 1000);
  const hundred = uniformLayers(100, 1000);
  const output = { large: await quantizer.quantizeBatch(large, 4), small: await quantizer.quantizeBatch(small, 4) };
  const ignore = () => {};
  const run = (layers, callback, options) => async () =>
    void (await quantizer.quantizeBatchWithProgress(layers, 4, callback, options));
  const results = await measure(
    [
      { name: '16 large layers', bytes: 0, run: run(large, null, { output: output.large }) },
      { name: '16 large layers, progress', bytes: 0, run: run(large, ignore, { output: output.large }) },
      { name: '1000 layers of 1000', bytes: 0, run: run(small, null, { output: output.small }) },
      { name: '1000 layers of 1000, progress', bytes: 0, run: run(small, ignore, { output: output.small }) },
      { name: '100 layers of 1000, progress', bytes: 0, run: run(hundred, ignore) },
      { name: 'longest stretch, large layers', bytes: 0, run: () => longestStretch(run(large, ignore)) },
      {
        name: 'create, 2 threads',
        bytes: 0,
        run: async () => {
          const start = performance.now();
          const another = await ArrowQuant.create({ threads: 2 });
          const time = performance.now() - start;
          await another.dispose();
          return time;
        },
      },
    ],
    rounds,
  );
  const compare = (layers, reused) =>
    difference(run(layers, null, { output: reused }), run(layers, ignore, { output: reused }), rounds * 10);
  const { percent } = await compare(large, output.large);
  const perLayer = (await compare(small, output.small)).milliseconds;
  await quantizer.dispose();
  return {
    id: 'progress',
    title: 'Progress, small layers, start-up, 2 threads',
    note: `  progress costs ${percent.toFixed(2)} % on large layers and ${perLayer.toFixed(2)} µs a layer on small ones`,
    reference: null,
    results: [
      ...results,
      { name: 'progress on large layers', unit: '%', median: percent, gigabytesPerSecond: null },
      { name: 'progress a small layer', unit: 'µs', median: perLayer, gigabytesPerSecond: null },
    ],
  };
}
