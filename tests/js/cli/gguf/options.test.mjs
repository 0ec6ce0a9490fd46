import { expect, test } from '@jest/globals';
import { checkpointSettings, collectKeyValue } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../../support/models/safetensors.mjs';
import { runCommand } from '../support/command.mjs';

const folder = useFolder();

test.each([
  ['general.author=string:me', 'general.author', { type: 'string', value: 'me' }],
  ['a.key=STRING:a=b:c d\ne', 'a.key', { type: 'string', value: 'a=b:c d\ne' }],
  ['a.key=string:', 'a.key', { type: 'string', value: '' }],
  ['a.key=u32:7', 'a.key', { type: 'u32', value: 7n }],
  ['a.key=i64:-9223372036854775808', 'a.key', { type: 'i64', value: -(2n ** 63n) }],
  ['a.key=f32:-1.5e-3', 'a.key', { type: 'f32', value: -0.0015 }],
  ['a.key=bool:true', 'a.key', { type: 'bool', value: true }],
  ['a.key=bool:false', 'a.key', { type: 'bool', value: false }],
  ['a.key=string[]:["a", "1", ""]', 'a.key', { type: 'string[]', value: ['a', '1', ''] }],
  ['a.key=u64[]:[1, 18446744073709551615]', 'a.key', { type: 'u64[]', value: [1n, 2n ** 64n - 1n] }],
  ['a.key=f64[]:[1, 2.5]', 'a.key', { type: 'f64[]', value: [1, 2.5] }],
  ['a.key=bool[]:[true]', 'a.key', { type: 'bool[]', value: [true] }],
  // What is nothing of the type, the library refuses.
  ['a.key=u8:seven', 'a.key', { type: 'u8', value: 'seven' }],
  ['a.key=u8:1.5', 'a.key', { type: 'u8', value: '1.5' }],
  ['a.key=f32:', 'a.key', { type: 'f32', value: '' }],
  ['a.key=i32[]:["1"]', 'a.key', { type: 'i32[]', value: ['1'] }],
  ['a.key=string[]:["1", 1]', 'a.key', { type: 'string[]', value: ['1', 1] }],
])('--kv %j', (text, key, pair) => {
  expect(collectKeyValue(text, undefined)).toEqual([[key, pair]]);
});

test('pairs are collected in their order', () => {
  const first = collectKeyValue('a=u8:1', undefined);
  expect(collectKeyValue('b=u8:2', first).map(([key]) => key)).toEqual(['a', 'b']);
});

test('what is not said is not passed on', () => {
  const settings = checkpointSettings({ chatTemplate: true });
  expect(Object.values(settings).filter((value) => value !== undefined)).toEqual([]);
  expect(checkpointSettings({ chatTemplate: false, via: 'BF16' })).toMatchObject({ chatTemplate: false, via: 'BF16' });
});

const kGguf = ['--type', 'Q8_0'];

test.each([
  [[...kGguf, '--kv', 'key'], "It must be a key, a type and a value, such as 'general.author=string:me'."],
  [[...kGguf, '--kv', 'key=value'], 'It must be a key, a type and a value'],
  [[...kGguf, '--kv', '=u8:1'], 'It must be a key, a type and a value'],
  [[...kGguf, '--kv', 'key=int:1'], '"int" is no type; there are u8, u8[], i8'],
  [[...kGguf, '--kv', 'key=u8[]:1, 2'], '"1, 2" is no array in JSON'],
  [[...kGguf, '--kv', 'key=u8[]:{}'], '"{}" is JSON, but no array.'],
  [[...kGguf, '--kv', 'key=u8:256'], 'keyValues["key"].value is 256, must be a whole number from 0 to 255'],
  [[...kGguf, '--kv', 'key=u8:seven'], 'keyValues["key"].value is "seven", must be a whole number from 0 to 255'],
  [[...kGguf, '--kv', 'key=u8[]:[[1]]'], 'keyValues["key"].value[0] is an array, must be a whole number'],
  [[...kGguf, '--kv', 'a=u8:1', '--kv', 'a=u8:2'], 'keyValues has "a" twice'],
  [[...kGguf, '--via', 'Q8_0'], 'via is "Q8_0", must be "F16" or "BF16" or "F32"'],
  [[...kGguf, '--name', ''], 'name is "", must be a text'],
  [[...kGguf, '--pre', 'qwen 2'], 'pre is "qwen 2", must be the name of a pre-tokenizer of llama.cpp'],
  [['--bits', '4', '--via', 'f16'], "'--bits <n>' cannot be used with option '--via <type>'"],
  [['--bits', '4', '--no-chat-template'], "'--bits <n>' cannot be used with option '--no-chat-template'"],
  [['--name', 'mine'], 'name has no meaning, because the output is affine levels in safetensors'],
  [['--format', 'mlx', '--no-chat-template'], 'chatTemplate has no meaning, because the output is'],
  [[...kGguf, '--architecture', 'none', '--name', 'mine'], 'name has no meaning, because architecture is "none"'],
  [[...kGguf, '--for', 'sd.cpp', '--via', 'f32'], 'via has no meaning, because the GGUF is for stable-diffusion.cpp'],
  [
    [...kGguf, '--pre', 'qwen2'],
    'pre has no meaning, because "in.safetensors" is no model in the layout of transformers',
  ],
])('%j: exit code 2, one sentence, nothing written', async (parameters, says) => {
  folder.write('in.safetensors', modelFile([float32Tensor('unet.proj.weight', [64, 64])]));
  const { code, stdout, stderr } = await runCommand(['quantize', 'in.safetensors', ...parameters], { cwd: folder.at });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^error: [^\n]+\n(?:\([^\n]+\)\n)*$/);
  expect(stderr).toContain(says);
  expect(folder.list()).toEqual(['in.safetensors']);
});
