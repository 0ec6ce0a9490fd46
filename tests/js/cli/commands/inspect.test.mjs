import { expect, test } from '@jest/globals';
import { useFolder } from '../../support/models/folder.mjs';
import { ggufFile, ggufTensor } from '../../support/models/gguf.mjs';
import { runCommand } from '../support/command.mjs';

const folder = useFolder();

const kTemplate = `{%- for message in messages %}\n\t{{ message.content }}\n{%- endfor %}${'x'.repeat(300)}end`;
const kTokens = Array.from({ length: 5000 }, (_, index) => `token ${index}`);
const kPairs = [
  ['general.architecture', 'string', 'llama'],
  ['general.name', 'string', 'two\nlines'],
  ['a.large.number', 'u64', 2n ** 64n - 1n],
  ['a.small.number', 'i64', -5n],
  ['no.number', 'f32', NaN],
  ['general.tags', 'array', { of: 'string', values: ['a', 'b'] }],
  ['tokenizer.ggml.tokens', 'array', { of: 'string', values: kTokens }],
  ['nested', 'array', { of: 'array', values: [{ of: 'u8', values: [1, 2] }] }],
  ['tokenizer.chat_template', 'string', kTemplate],
];

const inspect = async (...parameters) => {
  folder.write('in.gguf', ggufFile({ pairs: kPairs, tensors: [ggufTensor('token_embd.weight', [32, 4], 8)] }));
  const { code, stdout, stderr } = await runCommand(['inspect', 'in.gguf', ...parameters], { cwd: folder.at });
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
};

test('each pair is a line, and what is long is shortened', async () => {
  expect((await inspect('--kv')).split('\n')).toEqual([
    'general.architecture: llama',
    'general.name: two\\nlines',
    'a.large.number: 18446744073709551615',
    'a.small.number: -5',
    'no.number: NaN',
    'general.tags: [a, b]',
    'tokenizer.ggml.tokens: 5000 elements of type string',
    'nested: 1 elements of type array',
    `tokenizer.chat_template: {%- for message in messages %}\\n\\t{{ message.content }}\\n{%- endfor %}${'x'.repeat(120 - 70)}… (${kTemplate.length} characters)`,
    '',
  ]);
});

test('as JSON pairs are whole', async () => {
  const { keyValues, metadata } = JSON.parse(await inspect('--json'));
  expect(keyValues).toEqual([
    { key: 'general.architecture', type: 'string', value: 'llama' },
    { key: 'general.name', type: 'string', value: 'two\nlines' },
    { key: 'a.large.number', type: 'u64', value: '18446744073709551615' },
    { key: 'a.small.number', type: 'i64', value: -5 },
    { key: 'no.number', type: 'f32', value: 'NaN' },
    { key: 'general.tags', type: 'string[]', value: ['a', 'b'] },
    { key: 'tokenizer.ggml.tokens', type: 'string[]', value: kTokens },
    { key: 'nested', type: 'array[]', value: null },
    { key: 'tokenizer.chat_template', type: 'string', value: kTemplate },
  ]);
  expect(metadata['tokenizer.ggml.tokens']).toBe('5000 elements of type string');
});
