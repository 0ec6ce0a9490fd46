import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { makeSampleModel } from '../../../tools/make-sample-model.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { floatsOf, readModel } from '../support/models/safetensors.mjs';

const folder = useFolder();
const hash = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

describe('the sample model', () => {
  test('has at least 60 tensors of all kinds and types, and at least 50 MB', () => {
    makeSampleModel(folder.path('model.safetensors'));
    const file = readFileSync(folder.path('model.safetensors'));
    expect(file.length).toBeGreaterThan(50e6);
    const { tensors } = readModel(file);
    expect(tensors.size).toBeGreaterThanOrEqual(60);
    expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32', 'F16', 'BF16', 'I64']));
    const names = [...tensors.keys()];
    for (const pattern of [/conv_in\.weight/, /to_q\.weight/, /norm1\.weight/, /\.bias$/, /token_embedding/]) {
      expect(names.some((name) => pattern.test(name))).toBe(true);
    }
  });

  test('is heavy-tailed, with outlier channels', () => {
    makeSampleModel(folder.path('model.safetensors'), { megabytes: 16 });
    const { tensors } = readModel(readFileSync(folder.path('model.safetensors')));
    const tensor = tensors.get('transformer.transformer_blocks.0.ff.net.0.proj.weight');
    const values = floatsOf(tensor);
    const moment = (power) => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
    // A normal distribution has 3.
    expect(moment(4) / moment(2) ** 2).toBeGreaterThan(6);
    const [channels, inputs] = tensor.shape;
    const spreads = Array.from({ length: channels }, (_, channel) =>
      Math.hypot(...values.subarray(channel * inputs, (channel + 1) * inputs)),
    ).sort((a, b) => a - b);
    expect(spreads.at(-1) / spreads[channels >> 1]).toBeGreaterThan(5);
    expect(values.every((value) => Number.isFinite(value))).toBe(true);
  });

  test('is the same every time, and another with another seed', () => {
    for (const [name, seed] of [
      ['a', 1],
      ['b', 1],
      ['c', 2],
    ]) {
      makeSampleModel(folder.path(`${name}.safetensors`), { megabytes: 1, seed });
    }
    const [a, b, c] = ['a', 'b', 'c'].map((name) => hash(folder.path(`${name}.safetensors`)));
    expect(a).toBe(b);
    expect(c).not.toBe(a);
    expect(folder.list()).toEqual(['a.safetensors', 'b.safetensors', 'c.safetensors']);
  });

  test('comes in shards with the same tensors', () => {
    makeSampleModel(folder.path('whole.safetensors'), { megabytes: 1 });
    makeSampleModel(folder.path('parts.safetensors.index.json'), { megabytes: 1, shards: 3 });
    const whole = readModel(readFileSync(folder.path('whole.safetensors'))).tensors;
    const { weight_map: map } = JSON.parse(readFileSync(folder.path('parts.safetensors.index.json'), 'utf8'));
    expect(Object.keys(map).sort()).toEqual([...whole.keys()].sort());
    expect(new Set(Object.values(map)).size).toBe(3);
    const shards = new Map(
      [...new Set(Object.values(map))].map((name) => [name, readModel(readFileSync(folder.path(name))).tensors]),
    );
    for (const [name, file] of Object.entries(map)) {
      expect(shards.get(file).get(name).bytes.equals(whole.get(name).bytes)).toBe(true);
    }
  });
});
