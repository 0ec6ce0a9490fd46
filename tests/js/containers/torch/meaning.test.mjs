import { expect, test } from '@jest/globals';
import { inspectFile, nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { raw } from '../../support/models/pickle.mjs';
import { Checkpoint } from '../../support/models/torch.mjs';

const folder = useFolder();

/** What is wrong with a checkpoint of this pickle. */
async function refusal(...parts) {
  const file = folder.write('m.ckpt', new Checkpoint().save(null, { data: raw([0x80, 2], ...parts, '.').bytes }));
  return inspectFile(nodeFiles, file).catch((error) => error.detail);
}

/** Operations that make a tuple or list of `count` of these, and remember it under `index`. */
const sequence = (part, count, end, index) => ['(', part.repeat(count), end, 'q', [index], '0'];
const text = (value) => ['X', [value.length, 0, 0, 0], value];

test.each([65, 100_000])(
  'a size of %i dimensions is none: to copy it again and again would take hours',
  async (rank) => {
    const copy = 'h\x01h\x00\x85R0';
    const detail = await refusal(...sequence('K\x01', rank, 't', 0), 'ctorch\nSize\nq\x010', copy.repeat(3), '}');
    expect(detail).toBe('the pickle in it cannot be read: it has a tensor without a valid shape');
  },
);

test('nor is that of a tensor: to check it again and again would take hours', async () => {
  const storage = ['(', ...text('storage'), 'ctorch\nFloatStorage\n', ...text('0'), ...text('cpu'), 'K\x01tQ'];
  const tensor = ['ctorch._utils\n_rebuild_tensor_v2\n(', ...storage, 'K\x00h\x00h\x00\x89NtR'];
  expect(await refusal(...sequence('K\x01', 65, 't', 0), ...tensor)).toMatch(/a tensor without a valid shape$/);
});

test('dicts that are made of the same pairs count with every copy', async () => {
  const made = ['ccollections\nOrderedDict\nq\x010', ...sequence('h\x02', 1000, 'l', 0)];
  const copies = (count) => ['NN\x86q\x020', ...made, 'h\x01h\x00\x85R0'.repeat(count), '}'];
  expect(await refusal(...copies(1000))).toMatch(/^it is a PyTorch checkpoint without tensors/);
  expect(await refusal(...copies(1100))).toMatch(/it has more than 2097152 objects$/);
});
