/**
 * `node bench/table.mjs results.json [pages.json…]`: puts a run of `npm run bench -- --json results.json` into the README,
 * and runs of `npm run bench -- --in chromium --json pages.json` below it.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const BEGIN = '<!-- bench: begin -->';
const END = '<!-- bench: end -->';

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (head, rows) =>
  [row(head), row(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(row)].join('\n');
const times = (value) => (value === null ? '–' : `${value.toFixed(2)} ×`);
const speed = (value) => (value === null ? '–' : value.toPrecision(value < 1 ? 2 : 3));

function batchTable({ results }) {
  const ratio = (bits, threads, kind) => {
    const label = `int${bits}, ${threads} thread${threads > 1 ? 's' : ''}, ${kind}`;
    return times(results.find(({ name }) => name === label).ratio);
  };
  const kinds = ['new arrays', 'output reused', 'shared input, output reused', 'transferred input, output reused'];
  const rows = [8, 4, 2].flatMap((bits) =>
    [1, 2].map((threads) => [
      `int${bits}, ${threads} thread${threads > 1 ? 's' : ''}`,
      ...kinds.map((kind) => ratio(bits, threads, kind)),
    ]),
  );
  const head = [
    '`quantizeBatch`, 256 MiB',
    'new result arrays',
    'result arrays reused',
    'and input shared',
    'or transferred',
  ];
  const copy = results.find(({ name }) => name === 'TypedArray.set').gigabytesPerSecond;
  return `Speed relative to copying the same arrays with \`TypedArray.set\` (${copy.toFixed(1)} GB/s):\n\n${table(head, rows)}`;
}

/** What is lost in the noise may come out negative. */
const least = (value) => (value < 0.1 ? 'less than 0.1' : value.toFixed(1));

function progressText({ results }) {
  const value = (label) => results.find(({ name }) => name === label).median;
  return [
    `Progress costs ${least(value('progress on large layers'))} % on large layers and `,
    `${least(value('progress a small layer'))} µs a layer on small ones. 100 layers of 1000 weights take `,
    `${value('100 layers of 1000, progress').toFixed(1)} ms, \`create()\` with 2 threads `,
    `${value('create, 2 threads').toFixed(0)} ms. The calling thread's event loop stood still for `,
    `${value('longest stretch, large layers').toFixed(0)} ms at most.`,
  ].join('');
}

function blockTable({ blocks }) {
  const hasBuilt = blocks.some(({ built }) => typeof built === 'number');
  const ifBuilt = (cell) => (hasBuilt ? [cell] : []);
  const rows = blocks.map((block) => [
    block.name,
    speed(block.native),
    ...ifBuilt(speed(block.built)),
    speed(block.kernel),
    times(block.kernelRatio),
    ...ifBuilt(times(block.builtRatio)),
    speed(block.kernelTwo),
    times(block.encodeOneRatio),
    times(block.encodeTwoRatio),
  ]);
  const head = [
    'GB/s of float32 input',
    'llama.cpp, native',
    ...ifBuilt('with `-march=native`'),
    'our kernel, wasm',
    'ratio',
    ...ifBuilt('to `-march=native`'),
    '2 threads',
    '`encode()`, 1 thread',
    '`encode()`, 2 threads',
  ];
  const about = hasBuilt
    ? ' The second column is its source compiled here with `-O3 -march=native`, which its own builds do not do for quantizers: the legacy types, the small floats and some of the IQ types gain from it, K types hardly; where the compiler contracts to FMA some bytes differ. `encode()` is compared with the library.'
    : '';
  const title = "Block formats beside llama.cpp's own native library on one thread, same bytes.";
  return `${title}${about}\n\n${table(head, rows)}`;
}

/** A search of the most effort is beside what llama.cpp does without importance. */
function effortTable({ efforts }) {
  const known = (value, show) => (value === null ? '' : show(value));
  const rows = efforts.map(({ name, nativeBetter, better, betterRatio, native, best, bestRatio }) => [
    name,
    speed(nativeBetter),
    speed(better),
    times(betterRatio),
    speed(native),
    known(best, speed),
    known(bestRatio, times),
  ]);
  const head = [
    'GB/s of float32 input',
    'llama.cpp, importance of ones',
    'our `better`',
    'ratio',
    'llama.cpp without',
    'our `best`',
    'ratio',
  ];
  return `The same with more [effort](docs/effort.md), one thread:\n\n${table(head, rows)}`;
}

function affineTable({ results }) {
  const find = (label) => results.find(({ name }) => name === label);
  const rows = [8, 4, 2].map((bits) => {
    const { gigabytesPerSecond, ratio, onTwoThreads } = find(`encode int${bits} groups of 128`);
    const reference = find(`encode int${bits} groups of 128 (reference)`).gigabytesPerSecond;
    return [
      `int${bits}, groups of 128`,
      speed(gigabytesPerSecond),
      times(ratio),
      speed(onTwoThreads),
      speed(reference),
    ];
  });
  const memcpy = speed(find('memcpy').gigabytesPerSecond);
  const head = [
    'GB/s of float32 input',
    'kernel, 1 thread',
    `beside memcpy (${memcpy})`,
    '2 threads',
    'scalar reference',
  ];
  return `The affine kernels alone, on 1 MiB of weights in cache:\n\n${table(head, rows)}`;
}

function peersTable({ results }) {
  const ours = results[0].gigabytesPerSecond;
  const rows = results.map(({ name, gigabytesPerSecond }) => [
    name,
    speed(gigabytesPerSecond),
    times(ours / gigabytesPerSecond),
  ]);
  return `64 MiB to 8 bits in groups of 128, new arrays, beside what else runs in a page:\n\n${table(['', 'GB/s', 'ArrowQuant is faster by'], rows)}`;
}

function bandwidthText({ results }) {
  const ratio = (bits) => times(results.find(({ name }) => name === `int${bits}, 2 threads`).ratio);
  const reading = results.find(({ name }) => name === 'read, 2 threads').gigabytesPerSecond;
  return [
    `From arrays that no cache holds, with two threads, the affine kernels reach ${ratio(8)} (int8), ${ratio(4)} (int4) and `,
    `${ratio(2)} (int2) of the speed at which two threads read memory (${reading.toFixed(1)} GB/s).`,
  ].join('');
}

/** Kernels of formats of other programs beside the affine one with groups of the same size. */
function formatsTable({ results, memcpy }) {
  const rows = results.map(({ name, gigabytesPerSecond, ratio }) => [name, speed(gigabytesPerSecond), times(ratio)]);
  const head = ['GB/s of float32 input', `1 thread (memcpy: ${speed(memcpy)})`, 'beside int4, same groups'];
  return `Formats of other programs, 1 MiB of weights in cache:\n\n${table(head, rows)}`;
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

/** Whoever waits for the disk is compared with a copy that does, and the others with one that does not. */
function copiesTable(results) {
  const find = (wanted) => results.find(({ name }) => name === wanted);
  const [copy, durable] = [find('cp'), find('cp and sync')];
  const rows = results.map((result) => {
    const waits = result !== copy && !result.name.endsWith(', not waiting');
    const beside = waits ? durable : copy;
    const name = result.name.replace('safetensors to ', '').replace(', not waiting', ", `durability: 'none'`");
    return [
      result === copy ? '`cp`' : result === durable ? '`cp` and `sync FILE`' : name,
      waits ? 'yes' : 'no',
      `${(result.median / 1000).toFixed(2)} s`,
      times(beside.median / result.median),
    ];
  });
  return table(['2 GB of F16 safetensors', 'waits for the disk', 'time', 'beside the copy that does the same'], rows);
}

function filesText({ results, models }) {
  const rows = models.map(({ name, own, native, ratio, ownPeakBytes, nativePeakBytes }) => [
    name,
    `${(native / 1000).toFixed(2)} s`,
    `${(own / 1000).toFixed(2)} s`,
    times(ratio),
    megabytes(nativePeakBytes),
    megabytes(ownPeakBytes),
  ]);
  const head = ['F16 GGUF to', 'llama.cpp, native', 'ArrowQuant', 'faster by', 'memory, llama.cpp', 'ArrowQuant'];
  return [
    "A language model's file beside llama.cpp's own `llama_model_quantize`, 2 threads each, the same bytes:",
    table(head, rows),
    'Whole files beside copies of the same file:',
    copiesTable(results),
  ].join('\n\n');
}

const MAKERS = {
  batch: batchTable,
  progress: progressText,
  peers: peersTable,
  kernels: (group) => [blockTable, effortTable, affineTable].map((make) => make(group)).join('\n\n'),
  formats: formatsTable,
  bandwidth: bandwidthText,
  files: filesText,
};

/** Results of both kinds of pages as columns. */
function pageColumns(results, ratioTitle) {
  const names = [...new Set(results.map(({ name }) => nameInPage(name)))];
  const sites = ['isolated', 'not isolated'];
  const find = (name, site) => results.find((one) => nameInPage(one.name) === name && siteOf(one.name) === site);
  const rows = names.map((name) => [
    name,
    ...sites.flatMap((site) => {
      const { median, ratio } = find(name, site);
      return [`${median.toFixed(0)} ms`, times(ratio)];
    }),
  ]);
  const head = ['', ...sites.flatMap((site) => [site, ratioTitle])];
  return table(head, rows);
}

const siteOf = (name) => /(not )?isolated/.exec(name)[0];
/** What is left of a case's name without the kind of page. */
const nameInPage = (name) => name.replace(/^(not )?isolated: |, (not )?isolated$/, '');

const PAGE_MAKERS = {
  'kernels-in-page': ({ table: { head, rows } }) => table(head, rows),
  'batch-in-page': ({ results }) => pageColumns(results, 'beside `TypedArray.set`'),
  'files-in-page': ({ results }) =>
    pageColumns(
      results.filter(({ name }) => !name.endsWith('llama.cpp native')),
      'as fast as llama.cpp, native',
    ),
};

/** A run in pages; which groups it has is up to who ran it. */
function pageText(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  return report.groups.map((group) => `${group.title}:\n\n${PAGE_MAKERS[group.id](group)}`);
}

const [, , resultsFile, ...pageFiles] = process.argv;
const { machine, groups } = JSON.parse(readFileSync(resultsFile, 'utf8'));
const missing = Object.keys(MAKERS).filter((id) => !groups.some((group) => group.id === id));
if (missing.length > 0) throw new Error(`The results lack ${missing.join(', ')}: run all groups`);
const ours = groups.filter(({ id }) => id in MAKERS);
const parts = [...ours.map((group) => MAKERS[group.id](group)), ...pageFiles.flatMap(pageText)];
const where = `Measured on ${machine.processor}, ${machine.cores} virtual cores, ${machine.runtime}, ${machine.date}; medians of one interleaved run.`;
const readme = new URL('../README.md', import.meta.url);
const text = readFileSync(readme, 'utf8');
const [before, after] = [text.slice(0, text.indexOf(BEGIN) + BEGIN.length), text.slice(text.indexOf(END))];
writeFileSync(readme, `${before}\n${where}\n\n${parts.join('\n\n')}\n${after}`);
