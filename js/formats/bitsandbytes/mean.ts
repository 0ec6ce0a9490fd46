/** Numbers that are added at once, as torch does with AVX2, and rows of them that have sums of their own. */
const LANES = 8;
const ROWS = 4;
const COLUMN = LANES * ROWS;

/** Sums of sums, so that small numbers are not lost among large ones. */
const LEVELS = 4;
const LEAST_POWER = 4;

/**
 * The mean of numbers in f32, to the bit as torch has it on one thread of a CPU with AVX2 (`cascade_sum` in
 * aten/src/ATen/native/cpu/SumKernel.cpp): eight lanes in four rows, summed in four levels, each of the sums rounded. 0 for none.
 */
export function torchMean(values: Float32Array): number {
  if (values.length === 0) return 0;
  const columns = Math.floor(values.length / COLUMN);
  const sums = cascade(values, columns);
  const lanes = sums.slice(0, LANES);
  const whole = Math.floor(values.length / LANES) * LANES;
  for (let at = columns * COLUMN; at < whole; at += LANES) addTo(lanes, values.subarray(at, at + LANES));
  for (let row = 1; row < ROWS; ++row) addTo(lanes, sums.subarray(row * LANES, (row + 1) * LANES));
  let sum = 0;
  for (const value of values.subarray(whole)) sum = Math.fround(sum + value);
  for (const lane of lanes) sum = Math.fround(sum + lane);
  return Math.fround(sum / values.length);
}

function addTo(sums: Float32Array, values: Float32Array): void {
  for (const [index, value] of values.entries()) sums[index] = (sums[index] ?? 0) + value;
}

/** The sums of the lanes of each row. */
function cascade(values: Float32Array, columns: number): Float32Array {
  const power = Math.max(LEAST_POWER, Math.floor(Math.ceil(Math.log2(Math.max(columns, 1))) / LEVELS));
  const step = 2 ** power;
  const levels = Array.from({ length: LEVELS }, () => new Float32Array(COLUMN));
  const [lowest = new Float32Array(COLUMN), ...higher] = levels;
  const add = (column: number): void => {
    addTo(lowest, values.subarray(column * COLUMN, (column + 1) * COLUMN));
  };
  let column = 0;
  while (column + step <= columns) {
    for (const end = column + step; column < end; ++column) add(column);
    let full = lowest;
    for (const [index, level] of higher.entries()) {
      addTo(level, full);
      full.fill(0);
      if (Math.floor(column / step ** (index + 1)) % step !== 0) break;
      full = level;
    }
  }
  for (; column < columns; ++column) add(column);
  for (const level of higher) addTo(lowest, level);
  return lowest;
}
