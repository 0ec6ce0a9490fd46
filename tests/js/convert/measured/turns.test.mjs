import { expect, test } from '@jest/globals';
import { targeted } from '../../support/internals.mjs';

const kSizes = [512, 4096];
const kTensors = 200;
const kSmallest = kTensors * kSizes[0];
const kUpgrade = kSizes[1] - kSizes[0];

const step = (name, bytes) => ({
  planned: { name, elements: bytes, target: { kind: 'copied', type: { name: `${bytes} bytes` }, bytes } },
  rule: null,
});

/** Tensors that lose less with more bytes, the first of them most of it; what is planned fits nowhere. */
function someTensors() {
  return new Map(
    Array.from({ length: kTensors }, (_, tensor) => {
      const steps = kSizes.map((bytes) => step(`${tensor}`, bytes));
      const outcomes = steps.map((one, index) => ({
        step: one,
        cosine: 1,
        relativeError: (kTensors - tensor) * (1 - index),
      }));
      return [{ planned: steps[1], steps }, outcomes];
    }),
  );
}

const upgradesIn = (steps) => [...steps.values()].filter(({ planned }) => planned.target.bytes === kSizes[1]).length;

/** What is found, and how often the size was asked for. */
async function found(targetBytes, bytesWith, signal) {
  let asked = 0;
  const sizeWith = (steps) => {
    ++asked;
    return bytesWith(upgradesIn(steps));
  };
  const { steps } = await targeted(someTensors(), { targetBytes, floor: null, sizeWith, alignment: 32, signal });
  return { upgrades: upgradesIn(steps), asked };
}

test('what headers take beyond the room is made up for by one upgrade, whatever room was left over', async () => {
  const bytesWith = (upgrades) => kSmallest + upgrades * (kUpgrade + 61);
  const { upgrades, asked } = await found(kSmallest + 50 * kUpgrade + 3000, bytesWith);
  expect(upgrades).toBe(49);
  expect(asked).toBeLessThan(6);
});

test('the size is not asked for again and again where it hardly changes', async () => {
  const targetBytes = kSmallest + 150 * kUpgrade;
  const bytesWith = (upgrades) => (upgrades < 3 ? kSmallest : targetBytes + 1);
  const { upgrades, asked } = await found(targetBytes, bytesWith);
  expect(upgrades).toBeLessThan(3);
  expect(asked).toBeLessThan(40);
});

test('the event loop has its turn in between, and the signal ends it', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('enough')));
  const targetBytes = kSmallest + 150 * kUpgrade;
  const search = found(targetBytes, (upgrades) => (upgrades === 0 ? kSmallest : targetBytes + 1), controller.signal);
  await expect(search).rejects.toMatchObject({ code: 'aborted', cause: { message: 'enough' } });
});
