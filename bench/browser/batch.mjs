import { measure, withRatios } from '../lib/measure.mjs';
import { SITES } from './pages.mjs';

const WEIGHTS = 16 << 20;
const THREADS = 2;

/** 64 MiB in 16 layers, in both kinds of pages, beside a copy of the same array in the same page. */
export async function batchInPages({ pages, browser, rounds }) {
  const cases = Object.entries(SITES).flatMap(([site, title]) => {
    const bytes = WEIGHTS * 4;
    const batches = [8, 4, 2].flatMap((bits) =>
      [false, true].map((reuse) => ({
        name: `${title}: int${bits}, ${reuse ? 'output reused' : 'new arrays'}`,
        bytes,
        run: () => pages[site].run('batch', { bits, weights: WEIGHTS, threads: THREADS, reuse }),
      })),
    );
    return [
      { name: `${title}: TypedArray.set`, bytes, run: () => pages[site].run('copy', { weights: WEIGHTS }) },
      ...batches,
    ];
  });
  const measured = await measure(cases, rounds);
  const results = Object.values(SITES).flatMap((title) =>
    withRatios(
      measured.filter(({ name }) => name.startsWith(`${title}:`)),
      `${title}: TypedArray.set`,
    ),
  );
  return {
    id: 'batch-in-page',
    title: `quantizeBatch in ${browser}: 16 layers, ${(WEIGHTS * 4) / 2 ** 20} MiB, ${THREADS} threads`,
    reference: 'TypedArray.set',
    results,
  };
}
