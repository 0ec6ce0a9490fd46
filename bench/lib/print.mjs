const pad = (text, width) => String(text).padEnd(width);
const padLeft = (text, width) => String(text).padStart(width);
const number = (value, digits = 2) => (value === null || value === undefined ? '' : value.toFixed(digits));

/** A group's results as aligned lines. */
export function printGroup({ title, note, reference, results, blocks, efforts, models, table }) {
  if (table) return printTable(title, table);
  const width = Math.max(...results.map(({ name }) => name.length), 20) + 2;
  const lines = [`\n${title}`, ...(note ? [note] : [])];
  lines.push(
    `  ${pad('', width)}${padLeft('median', 14)}${padLeft('GB/s', 9)}${padLeft(reference ? `× ${reference}` : '', 24)}`,
  );
  for (const { name, unit, median, gigabytesPerSecond, ratio } of results) {
    const time = `${number(median, unit === 'ms' ? 2 : 1)} ${unit}`;
    lines.push(
      `  ${pad(name, width)}${padLeft(time, 14)}${padLeft(number(gigabytesPerSecond), 9)}${padLeft(number(ratio), 24)}`,
    );
  }
  console.log(lines.join('\n'));
  if (blocks) printBlocks('GB/s', BLOCK_COLUMNS, blocks);
  if (efforts) printBlocks('effort', EFFORT_COLUMNS, efforts);
  if (models) printModels(models);
}

const BLOCK_COLUMNS = {
  native: 'llama.cpp',
  built: 'march=native',
  reference: 'scalar',
  kernel: 'SIMD',
  kernelRatio: '×',
  builtRatio: '×',
  kernelTwo: '2 threads',
  encodeOne: 'encode() 1',
  encodeOneRatio: '×',
  encodeTwo: 'encode() 2',
  encodeTwoRatio: '×',
  decode: 'decode',
};

const EFFORT_COLUMNS = {
  nativeBetter: 'llama, ones',
  better: 'better',
  betterRatio: '×',
  native: 'llama.cpp',
  best: 'best',
  bestRatio: '×',
};

/** Block formats: GB/s of input, and times llama.cpp's native library. */
function printBlocks(title, columns, blocks) {
  const cell = (text) => padLeft(text, 13);
  console.log(`\n  ${pad(title, 10)}${Object.values(columns).map(cell).join('')}`);
  for (const block of blocks) {
    const cells = Object.keys(columns).map((key) => cell(number(block[key], key.endsWith('Ratio') ? 2 : 3)));
    console.log(`  ${pad(block.name, 10)}${cells.join('')}`);
  }
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(0);

/** GGUF to GGUF: milliseconds and peak memory, beside llama.cpp. */
function printModels(models) {
  const cell = (text) => padLeft(text, 14);
  const titles = ['ms', 'llama.cpp', '× faster', 'peak MB', 'llama.cpp'];
  console.log(`\n  ${pad('F16 GGUF to', 12)}${titles.map(cell).join('')}`);
  for (const { name, own, native, ratio, ownPeakBytes, nativePeakBytes } of models) {
    const cells = [
      number(own, 0),
      number(native, 0),
      number(ratio),
      megabytes(ownPeakBytes),
      megabytes(nativePeakBytes),
    ];
    console.log(`  ${pad(name, 12)}${cells.map(cell).join('')}`);
  }
}

/** Cells that are texts already. */
function printTable(title, { head, rows }) {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i].length)) + 2);
  const lines = [head, ...rows].map((row) =>
    row.map((cell, i) => (i === 0 ? pad(cell, widths[i]) : padLeft(cell, widths[i]))).join(''),
  );
  console.log([`\n${title}`, ...lines.map((line) => `  ${line}`)].join('\n'));
}
