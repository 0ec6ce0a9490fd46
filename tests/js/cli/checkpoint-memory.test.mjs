import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { writeLikeCase } from '../checkpoints/support/checkpoint.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { runCommand } from './support/command.mjs';

const kMostMegabytes = 300;
const kPatience = 180_000;

/** Has the process write its peak memory to stderr when it ends. */
const kMeasureMemory = ['--import', new URL('../fixtures/print-peak-memory.mjs', import.meta.url).href];

/** A layer of 128 experts, which become three tensors of 400 MB; and rows of heads that change places in a matrix of 134 MB. */
const kModels = {
  experts: [
    'qwen3moe',
    { hidden_size: 2048, moe_intermediate_size: 768, num_experts: 128, num_hidden_layers: 1, head_dim: 128 },
  ],
  heads: [
    'llama-gqa-rope3',
    ...[{ hidden_size: 8192, intermediate_size: 8192, num_attention_heads: 64, head_dim: 128, num_hidden_layers: 1 }],
  ],
};

const folder = useFolder();

test.each([
  ['experts', 'Q8_0', []],
  ['experts', 'Q5_0', ['--memory-limit', '16MiB']],
  ['heads', 'Q8_0', []],
  ['heads', 'F16', ['--memory-limit', '16MiB']],
])(
  `a checkpoint of large %s becomes %s in less than ${kMostMegabytes} MB of memory, %j`,
  async (name, type, settings) => {
    const [like, changes] = kModels[name];
    const { options } = writeLikeCase(like, folder.path('model'), changes, { zeros: true, shards: 3 });
    const parameters = ['quantize', 'model', 'out.gguf', '--type', type, '--pre', options.pre, ...settings];
    const { code, stderr } = await runCommand([...parameters, '--no-metrics', '--json', '--threads', '2'], {
      ...{ cwd: folder.at, nodeFlags: kMeasureMemory },
    });
    expect({ code, problems: stderr.replace(/peak \d+\n/, '') }).toEqual({ code: 0, problems: '' });
    const [, kilobytes] = /peak (\d+)/.exec(stderr);
    expect(Number(kilobytes) / 1024).toBeLessThan(kMostMegabytes);
    expect(statSync(folder.path('out.gguf')).size).toBeGreaterThan(350e6);
  },
  kPatience,
);

const kTokens = 2 ** 18;
/** Of JSON it takes more, and when the garbage of that goes is the engine's to say. */
const kMostWithTokens = 330;

test(
  `a checkpoint with ${kTokens} tokens and twice as many merges is converted in less than ${kMostWithTokens} MB of memory`,
  async () => {
    const changes = { vocab_size: kTokens + 64, hidden_size: 256, intermediate_size: 256, num_hidden_layers: 1 };
    writeLikeCase('qwen2-tied-card', folder.path('model'), changes, { zeros: true });
    writeLargeVocabulary(folder.path('model'), kTokens);
    const parameters = ['quantize', 'model', 'out.gguf', '--type', 'Q4_K_M', '--pre', 'qwen2', '--no-metrics'];
    const { code, stderr } = await runCommand([...parameters, '--json', '--threads', '2'], {
      ...{ cwd: folder.at, nodeFlags: kMeasureMemory },
    });
    expect({ code, problems: stderr.replace(/peak \d+\n/, '') }).toEqual({ code: 0, problems: '' });
    const [, kilobytes] = /peak (\d+)/.exec(stderr);
    expect(Number(kilobytes) / 1024).toBeLessThan(kMostWithTokens);
  },
  kPatience,
);

/** As many tokens and merges as large vocabularies have, in tens of megabytes of JSON. */
function writeLargeVocabulary(folder, vocabularySize) {
  const tokenizer = JSON.parse(readFileSync(path.join(folder, 'tokenizer.json'), 'utf8'));
  const names = Array.from({ length: vocabularySize }, (_, id) => `Ġ${id.toString(36)}é${'x'.repeat(id % 7)}`);
  tokenizer.added_tokens = [];
  tokenizer.model.vocab = Object.fromEntries(names.map((name, id) => [name, id]));
  tokenizer.model.merges = Array.from({ length: 2 * vocabularySize }, (_, index) => [
    names[index % vocabularySize],
    names[(index * 7) % vocabularySize],
  ]);
  writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(tokenizer, null, 2));
}
