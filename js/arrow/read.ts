/** What reads Arrow's tables and rows, for calls that are given some: all others never load it. */

export { restoreFractions } from './fractions.js';
export { readRow } from './row.js';
export { readTable } from './table.js';
