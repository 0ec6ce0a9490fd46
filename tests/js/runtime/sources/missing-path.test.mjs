import { expect, test } from '@jest/globals';
import { nodeFiles } from '../../support/internals.mjs';

test.each([
  ['Nobody/Model-0.6B', /no such file or folder; a model on a hub is written hf:Nobody\/Model-0\.6B$/],
  ['nowhere/model.safetensors', /no such file or folder$/],
  ['./nowhere/model', /no such file or folder$/],
  ['huggingface.co/Nobody/Model', /no such file or folder; the address of a page begins with https:\/\/$/],
  ['hf.co/Nobody/Model/tree/main', /no such file or folder; the address of a page begins with https:\/\/$/],
  ['nowhere', /no such file or folder$/],
  ['nowhere/deep/model', /no such file or folder$/],
])('the path %s, where nothing is', async (path, message) => {
  await expect(nodeFiles.openSource(path)).rejects.toMatchObject({
    code: 'unreadable_input',
    file: path,
    message: expect.stringMatching(message),
  });
});
