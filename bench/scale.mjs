#!/usr/bin/env node
/**
 * `node bench/scale.mjs`: what a gigabyte costs one core of this machine, and how long a model of 400 GB takes on clusters; see
 * README.md beside this file.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.mjs';
import { measureCosts } from './lib/scale-costs.mjs';
import { costTable, limitTable, nodeTable, processTable } from './lib/scale-tables.mjs';

/** Numbers that a user may put own ones in place of, with what they are. */
const SETTINGS = {
  /** The model, and what of it makes one file of the output. */
  'model-gb': 400,
  'part-gb': 4,
  /** All that the store sends, what a node's network takes, and what one request gets. */
  'store-gb-per-second': 6.25,
  'node-gb-per-second': 3.125,
  'request-gb-per-second': 0.085,
  'request-latency-ms': 30,
  /** What a node writes. */
  'write-gb-per-second': 1,
  /** From a task's turn until it reads weights: a container, Node, and the model's header. */
  'start-seconds': 5,
};
/** Those that are measured otherwise. */
const MEASURED = ['read-gb-per-second', 'encode-gb-per-second', 'main-gb-per-second'];

const texts = Object.keys(SETTINGS).concat(MEASURED);
const { values } = parseArgs({
  options: {
    ...Object.fromEntries(texts.map((name) => [name, { type: 'string' }])),
    types: { type: 'string', default: 'Q8_0,Q4_0,Q4_K' },
    rounds: { type: 'string', default: '3' },
    'measured-gb': { type: 'string', default: '1.5' },
    /** What an earlier run has written with --json, instead of measuring. */
    from: { type: 'string' },
    json: { type: 'string' },
    /** Puts the tables into docs/scale.md. */
    docs: { type: 'boolean', default: false },
  },
});

/** A number that was given, or undefined. */
function given(name) {
  if (values[name] === undefined) return undefined;
  const number = Number(values[name]);
  if (number > 0 && number < Infinity) return number;
  console.error(`--${name} ${values[name]} is no number above 0.`);
  process.exit(2);
}

async function measured() {
  if (values.from !== undefined) return JSON.parse(readFileSync(values.from, 'utf8'));
  const [types, rounds] = [values.types.split(','), Number(values.rounds)];
  const costs = await measureCosts({ types, rounds, bytes: given('measured-gb') * 1e9 });
  return { machine: describeMachine(), costs };
}

/** The costs with one's own numbers in them; a speed is that of one core. */
function withOwn({ read, encode, mainThread, ...rest }) {
  const seconds = (name, own) => (given(name) === undefined ? own : 1 / given(name));
  const encodings = Object.entries(encode).map(([type, own]) => [type, seconds('encode-gb-per-second', own)]);
  return {
    ...rest,
    read: { ...read, http: seconds('read-gb-per-second', read.http) },
    encode: Object.fromEntries(encodings),
    mainThread: seconds('main-gb-per-second', mainThread),
  };
}

const { machine, costs: own } = await measured();
const costs = withOwn(own);
const settings = Object.fromEntries(Object.entries(SETTINGS).map(([name, value]) => [name, given(name) ?? value]));
const tables = {
  costs: costTable(costs),
  nodes: nodeTable(costs, settings),
  processes: processTable(costs, settings),
  stores: limitTable(costs, settings),
};
const where = `Measured on ${machine.processor}, ${machine.cores} virtual cores, ${machine.runtime}, ${machine.date}.`;
console.log(where);
for (const table of Object.values(tables)) console.log(`\n${table}`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, costs: own }, null, 2)}\n`);
if (values.docs) writeDocs({ machine: where, ...tables });

/** Each table stands between two comments with its name. */
function writeDocs(parts) {
  const file = new URL('../docs/scale.md', import.meta.url);
  let text = readFileSync(file, 'utf8');
  for (const [name, part] of Object.entries(parts)) {
    const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
    const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
    if (!text.includes(begin) || to < from) throw new Error(`docs/scale.md has no place for ${name}`);
    text = `${text.slice(0, from)}\n${part}\n${text.slice(to)}`;
  }
  writeFileSync(file, text);
}
