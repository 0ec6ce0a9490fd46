import { describe, expect, test } from '@jest/globals';
import { checkpointFiles } from '../../support/checkpoint-files.mjs';
import { poolingType } from '../../support/internals.mjs';

const kPooling = { type: 'sentence_transformers.models.Pooling', path: '1_Pooling' };

const checkpointOf = (contents) => ({ name: 'model', files: checkpointFiles(contents) });

const pooled = (settings, modules = [{ type: 'x.Transformer', path: '' }, kPooling]) =>
  poolingType(
    checkpointOf({ 'modules.json': JSON.stringify(modules), '1_Pooling/config.json': JSON.stringify(settings) }),
  );

describe('how vectors of tokens become one', () => {
  test.each([
    [{ pooling_mode_mean_tokens: true }, 1],
    [{ pooling_mode_mean_tokens: false, pooling_mode_cls_token: true }, 2],
    [{ pooling_mode_lasttoken: true, pooling_mode_max_tokens: false }, 3],
    [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: true }, 1],
    [{ pooling_mode_cls_token: 1 }, 2],
    [{ pooling_mode: 'mean' }, 1],
    [{ pooling_mode: 'cls' }, 2],
    [{ pooling_mode: 'lasttoken' }, 3],
    [{ pooling_mode: 'cls', pooling_mode_mean_tokens: true }, 1],
  ])('%j', async (settings, type) => {
    expect(await pooled(settings)).toBe(type);
  });

  test('nobody says it', async () => {
    expect(await poolingType(checkpointOf({}))).toBeUndefined();
    expect(await pooled({}, [])).toBeUndefined();
    expect(await pooled({}, [{ type: 'x.Transformer', path: '' }])).toBeUndefined();
  });

  test('the first module that pools counts', async () => {
    const modules = [kPooling, { type: 'x.Pooling', path: '2_Pooling' }];
    expect(await pooled({ pooling_mode: 'cls' }, modules)).toBe(2);
  });

  test.each(['./1_Pooling', '1_Pooling/', './/1_Pooling/.'])('the folder may be called %s', async (path) => {
    expect(await pooled({ pooling_mode: 'cls' }, [{ ...kPooling, path }])).toBe(2);
  });
});

describe('what nobody can pool by is refused', () => {
  test.each([
    [{ pooling_mode_max_tokens: true }],
    [{ pooling_mode: 'constructor' }],
    [{ pooling_mode: ['mean'] }],
    [{ pooling_mode_mean_tokens: '', pooling_mode_cls_token: [], pooling_mode_lasttoken: {} }],
  ])('%j', async (settings) => {
    await expect(pooled(settings)).rejects.toMatchObject({ code: 'unsupported_model' });
  });

  test.each([
    ['an object of modules', { type: 'x.Pooling' }],
    ['modules that are none', ['x.Pooling']],
    ['a module without a type', [{ path: '1_Pooling' }]],
    ['no folder', [{ type: 'x.Pooling' }]],
    ['a number for a folder', [{ type: 'x.Pooling', path: 1 }]],
    ['a folder that is not there', [{ type: 'x.Pooling', path: '3_Pooling' }]],
    ['a folder beside the model', [{ type: 'x.Pooling', path: '../1_Pooling' }]],
  ])('%s', async (_, modules) => {
    await expect(pooled({ pooling_mode: 'cls' }, modules)).rejects.toMatchObject({ code: 'invalid_file' });
  });

  test('no JSON, and JSON that nests without end', async () => {
    for (const text of ['[', '['.repeat(1_000_000), '{"a":1e999}', 'NaN']) {
      const refused = poolingType(checkpointOf({ 'modules.json': text }));
      await expect(refused).rejects.toMatchObject({ code: 'invalid_file' });
    }
  });
});
