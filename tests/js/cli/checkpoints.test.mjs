import { cpSync, readFileSync } from 'node:fs';
import { beforeEach, expect, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';
import { parseGguf } from '../support/models/gguf.mjs';
import { caseNamed } from '../checkpoints/support/cases.mjs';
import { sha256 } from '../checkpoints/support/gguf-records.mjs';
import { runCommand } from './support/command.mjs';

const kCase = caseNamed('mistral-sharded');
const kPlain = caseNamed('llama-hf-json');

const folder = useFolder();
const run = (...parameters) => runCommand(['quantize', ...parameters], { cwd: folder.at });
const runInside = (place, ...parameters) => runCommand(['quantize', ...parameters], { cwd: folder.path(place) });

beforeEach(() => {
  for (const { input, folder: name } of [kCase, kPlain]) cpSync(input, folder.path(name), { recursive: true });
});

const pairsIn = (name) =>
  Object.fromEntries([...parseGguf(readFileSync(folder.path(name))).pairs].map(([key, { value }]) => [key, value]));

test.each([
  [kCase.folder, `${kCase.folder}-Q8_0.gguf`],
  [`./${kCase.folder}/`, `${kCase.folder}-Q8_0.gguf`],
  [`${kCase.folder}/model.safetensors.index.json`, `${kCase.folder}/model-Q8_0.gguf`],
])('%s becomes the file that llama.cpp writes, %s', async (input, output) => {
  expect(await run(input, '--type', 'q8_0', '--quiet')).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  expect(sha256(readFileSync(folder.path(output)))).toBe(kCase.outputs.q8_0.sha256);
});

test.each(['.', './'])('the folder %s is called as it is', async (input) => {
  const { code, stderr } = await runInside(kCase.folder, input, '--type', 'BF16', '--quiet');
  expect([code, stderr]).toEqual([0, '']);
  const output = folder.path(`${kCase.folder}/${kCase.folder}-BF16.gguf`);
  expect(sha256(readFileSync(output))).toBe(kCase.outputs.bf16.sha256);
});

test("a name of one's own, pairs, and no chat template", async () => {
  await run(kPlain.folder, 'plain.gguf', '--type', 'Q8_0', '--quiet');
  const own = ['--name', 'My model 7', '--no-chat-template', '--kv', 'general.author=string:me'];
  const more = ['--kv', 'llama.context_length=u32:77', '--kv', 'my.list=i32[]:[1, -2]'];
  expect(await run(kPlain.folder, 'own.gguf', '--type', 'Q8_0', '--quiet', ...own, ...more)).toMatchObject({ code: 0 });
  const { 'tokenizer.chat_template': template, ...pairs } = pairsIn('plain.gguf');
  expect(template).toMatch(/\{%/);
  expect(pairsIn('own.gguf')).toEqual({
    ...pairs,
    ...{ 'general.name': 'My model 7', 'general.author': 'me', 'llama.context_length': 77, 'my.list': [1, -2] },
  });
});

test('rules know tensors by their names in the checkpoint and in the GGUF', async () => {
  const rules = [
    '--rule',
    '^lm_head=drop',
    '--rule',
    'v_proj=F16',
    '--rule',
    'blk.1.attn_v=Q4_0',
    '--rule',
    'ffn_up=Q5_0',
  ];
  const { stdout, stderr } = await run(kPlain.folder, 'a.gguf', '--type', 'Q8_0', '--json', ...rules);
  const { tensors, dropped, warnings } = JSON.parse(stdout);
  const typeOf = (name) => tensors.find(({ outputName }) => outputName === name)?.to;
  expect(['attn_v', 'ffn_up', 'ffn_down'].map((name) => typeOf(`blk.1.${name}.weight`))).toEqual([
    'F16',
    'Q5_0',
    'Q8_0',
  ]);
  expect([typeOf('output.weight'), dropped.map(({ name }) => name)]).toEqual([undefined, ['lm_head.weight']]);
  expect([warnings, stderr]).toEqual([[], '']);
});

test('--via says from which type it is quantized', async () => {
  const notes = async (...options) => {
    const { stdout } = await run(kPlain.folder, 'a.gguf', '--type', 'Q4_0', '--via', 'f32', '--json', ...options);
    return JSON.parse(stdout).notes;
  };
  const note = "The file is what llama.cpp's quantizer makes of the model's F32 GGUF";
  expect(await notes()).toContain(`${note}.`);
  const searched = `${note}, but for the search for less error, which is best.`;
  expect(await notes('--effort', 'best')).toContain(searched);
});

test('--dry-run tells what the file would have in it, and writes nothing', async () => {
  const before = folder.list();
  const { code, stdout } = await run(kPlain.folder, '--type', 'Q8_0', '--dry-run');
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^note: The file has \d+ key-value pairs, which call it "TinyLlama Chat", and a vocabulary of \d+ tokens\.$/m,
  );
  expect(stdout).toMatch(/^opens in llama\.cpp$/m);
  expect(stdout).toContain(`gguf, one file of ${kPlain.outputs.q8_0.bytes} bytes; nothing was written`);
  expect(folder.list()).toEqual(before);
});

test.each([
  [['--kv', 'general.name=u32:1'], 2, 'keyValues gives "general.name" the type u32, but it is of the type string'],
  [['--kv', 'general.architecture=string:gpt5'], 2, 'keyValues must not have "general.architecture"'],
  [['--splitsize', '1MB'], 2, 'Did you mean --split-size?'],
])('refuses %j, and writes nothing', async (parameters, code, says) => {
  const before = folder.list();
  const outcome = await run(kPlain.folder, '--type', 'Q8_0', ...parameters);
  expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringContaining(says)]);
  expect(folder.list()).toEqual(before);
});

test('weights by themselves are not enough, and the sentence says what is', async () => {
  cpSync(folder.path(`${kPlain.folder}/model.safetensors`), folder.path('model.safetensors'));
  const { code, stderr } = await run('model.safetensors', '--type', 'Q8_0');
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^error: No file that opens can be made of model\.safetensors: it is a language model in Hugging Face's layout, and nothing beside it says which: give the folder that has its config\.json and its tokenizer, or hf:organization\/model; architecture "none"/,
  );
});
