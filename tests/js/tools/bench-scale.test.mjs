import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { simulate } from '../../../bench/lib/scale-simulation.mjs';
import { processSpeed } from '../../../bench/lib/scale-tables.mjs';
import { inProject } from '../../../tools/lib/paths.mjs';

const kCost = { coreSeconds: 4, mainSeconds: 0.4, outputRatio: 0.5 };
/** One node of 8 cores, so 2 GB/s; everything else is as fast as a test does not say. */
const kCluster = {
  ...{ nodes: 1, cores: 8, processes: 1, startSeconds: 0 },
  ...{ storeGBps: Infinity, nodeGBps: Infinity, processGBps: Infinity, diskGBps: Infinity },
};
const run = (modelGB, cluster) => simulate(modelGB, 10, kCost, { ...kCluster, ...cluster });

describe('the simulation of a cluster', () => {
  test.each([
    ['cores', {}, 50],
    ['cores', { nodes: 4 }, 15],
    ['cores', { cores: 64, processes: 10 }, 6.25],
    ['one thread', { cores: 64 }, 40],
    ['requests', { processGBps: 0.5 }, 200],
    ['node network', { nodeGBps: 0.25, processes: 2 }, 400],
    ['disk', { diskGBps: 0.1 }, 500],
    ['store', { nodes: 10, storeGBps: 2 }, 50],
  ])('waits for %s with %j', (limit, cluster, seconds) => {
    const result = run(100, cluster);
    expect(result).toEqual({ limit, tasks: 10, seconds: expect.closeTo(seconds, 6) });
  });

  test('lets every task start for itself, and the last one be smaller', () => {
    expect(run(95, { startSeconds: 3 })).toMatchObject({ tasks: 10, seconds: expect.closeTo(77.5, 6) });
    expect(run(95, { startSeconds: 3, nodes: 5 })).toMatchObject({ seconds: expect.closeTo(16, 6) });
  });

  test('comes to an end whatever the times round to', () => {
    for (let nodes = 1; nodes < 40; ++nodes) {
      const { tasks } = run(1000 / 3, { nodes, processes: 3, startSeconds: 0.1 * nodes, storeGBps: 1 / 3 + nodes / 7 });
      expect(tasks).toBe(34);
    }
  });

  test('refuses what is no number, with which it would not end', () => {
    expect(() => run(10, { storeGBps: NaN })).toThrow(/^Not all of 10, .* are numbers\.$/);
  });

  test('gives what a slow task leaves of the store to the others', () => {
    // Two on one node take 1 GB/s each; the third would take 2.
    const seconds = (storeGBps) => run(30, { nodes: 2, processes: 2, storeGBps }).seconds;
    expect([Infinity, 3.5, 2.4].map(seconds)).toEqual([10, 10, expect.closeTo(12.5, 6)]);
  });
});

test('a process gets from a store what its open requests carry, each after its wait', () => {
  const settings = { 'request-latency-ms': 100, 'request-gb-per-second': 0.05 };
  expect(processSpeed({ atOnce: 6, bytes: 5e6 }, settings)).toBeCloseTo(0.15, 9);
});

describe('bench/scale.mjs', () => {
  const measured = inProject('bench/scale.json');
  const scale = (...parameters) =>
    spawnSync(process.execPath, [inProject('bench/scale.mjs'), ...parameters], { encoding: 'utf8' });

  test('makes the tables of docs/scale.md out of bench/scale.json', () => {
    const { stdout, stderr } = scale('--from', measured);
    expect(stderr).toBe('');
    const docs = readFileSync(inProject('docs/scale.md'), 'utf8');
    const tables = stdout.trim().split('\n\n');
    expect(tables).toHaveLength(5);
    for (const table of tables) expect(docs).toContain(table);
  });

  test('takes one’s own numbers in place of those measured', () => {
    const own = ['--read-gb-per-second', '1', '--encode-gb-per-second', '0.5', '--main-gb-per-second', '2'];
    const { stdout } = scale('--from', measured, ...own);
    expect(stdout).toMatch(/\| read over HTTP \| 1\.00 s \|/);
    expect(stdout).toMatch(/\| encode as Q8_0 \| 2\.00 s \|/);
    expect(stdout).toMatch(/ \| 0\.50 s \| {2}\|\n/);
  });

  test('refuses what is no number', () => {
    const { status, stderr } = scale('--from', measured, '--store-gb-per-second', 'fast');
    expect([status, stderr.trim()]).toEqual([2, '--store-gb-per-second fast is no number above 0.']);
  });
});
