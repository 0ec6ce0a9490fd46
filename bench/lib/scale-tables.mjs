import { simulate } from './scale-simulation.mjs';

/** What the tables are of: nodes of 16 cores, and one machine of 64. */
const NODE = { cores: 16, processes: 2 };
const NODE_COUNTS = [1, 4, 16, 64];
const LARGE_CORES = 64;
const PROCESS_COUNTS = [1, 2, 4, 8, 16];
/** Gigabits a second that stores send, from a small server to more than a region's default. */
const STORE_GIGABITS = [1, 10, 50, 200];
const STORE_NODES = 16;

/** What a gigabyte of F16 costs one core. */
export function costTable({ read, write, encode, outputRatio, mainThread }) {
  // What is left of a difference of two runs may be nothing.
  const seconds = (value) => (value < 0.01 ? 'too little to measure' : `${value.toFixed(2)} s`);
  const rows = [
    ['read from a file', seconds(read.file), ''],
    ['read over HTTP', seconds(read.http), ''],
    ...Object.entries(encode).map(([type, value]) => [
      `encode as ${type}`,
      seconds(value),
      gigabytes(outputRatio[type]),
    ]),
    ['write a GB of output, and hash it', seconds(write), ''],
    ['of all that, on the one thread that reads and writes', seconds(mainThread), ''],
  ];
  return markdown(['for each GB of F16', 'of one core', 'becomes'], rows);
}

/** The model on more and more nodes. */
export function nodeTable(costs, settings) {
  const rows = NODE_COUNTS.map((nodes) => [
    `${nodes} × ${NODE.cores} cores`,
    ...timesOf(costs, settings, { ...NODE, nodes }),
  ]);
  return markdown(['nodes', ...typesOf(costs)], rows);
}

/** The model on one large machine, in more and more processes. */
export function processTable(costs, settings) {
  const rows = PROCESS_COUNTS.map((processes) => [
    `${processes} at a time`,
    ...timesOf(costs, settings, { nodes: 1, cores: LARGE_CORES, processes }),
  ]);
  return markdown([`${LARGE_CORES} cores, parts`, ...typesOf(costs)], rows);
}

/** The model from faster and faster stores. */
export function limitTable(costs, settings) {
  const rows = STORE_GIGABITS.map((gigabits) => [
    `${gigabits} Gb/s`,
    ...timesOf(costs, { ...settings, 'store-gb-per-second': gigabits / 8 }, { ...NODE, nodes: STORE_NODES }),
  ]);
  return markdown([`${STORE_NODES} × ${NODE.cores} cores, store`, ...typesOf(costs)], rows);
}

const typesOf = ({ encode }) => Object.keys(encode);

function timesOf(costs, settings, { nodes, cores, processes }) {
  const cluster = {
    ...{ nodes, cores, processes, startSeconds: settings['start-seconds'] },
    ...{ storeGBps: settings['store-gb-per-second'], nodeGBps: settings['node-gb-per-second'] },
    ...{ diskGBps: settings['write-gb-per-second'], processGBps: processSpeed(costs.requests, settings) },
  };
  return typesOf(costs).map((type) => {
    const cost = costOf(costs, type);
    const { seconds, limit } = simulate(settings['model-gb'], settings['part-gb'], cost, cluster);
    return `${duration(seconds)} (${limit})`;
  });
}

function costOf({ read, encode, write, outputRatio, mainThread }, type) {
  const coreSeconds = read.http + encode[type] + write * outputRatio[type];
  return { coreSeconds, mainSeconds: mainThread, outputRatio: outputRatio[type] };
}

/** Gigabytes a second that a process gets with the requests that it has open: each waits for its answer, and then for its bytes. */
export function processSpeed({ atOnce, bytes }, settings) {
  const requestSeconds = settings['request-latency-ms'] / 1000 + bytes / 1e9 / settings['request-gb-per-second'];
  return (atOnce * bytes) / 1e9 / requestSeconds;
}

function duration(seconds) {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

const gigabytes = (value) => `${value.toFixed(2)} GB`;

function markdown(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
