import { readFileSync } from 'node:fs';
import { parseJson } from './internals.mjs';

const textOf = (name) => readFileSync(new URL(`../../golden/checkpoints/tables/${name}.json`, import.meta.url), 'utf8');

/** A table of tests/golden/checkpoints/tables. */
export const goldenTable = (name) => JSON.parse(textOf(name));

/** Its rows, with numbers as they are written: 64 is another one than 64.0. */
export const goldenRows = (name) => parseJson(textOf(name)).get('rows');
