import { expect, test } from '@jest/globals';
import { byteLevel } from '../../support/internals.mjs';
import { checkpointOf, filesOf, pairsOf } from './folder.mjs';

test.each([
  ['there is no tokenizer_config.json', (files) => files.delete('tokenizer_config.json')],
  ['tokenizer_config.json says nothing', (files) => files.set('tokenizer_config.json', {})],
])('a template that is left out because %s is told', async (_, change) => {
  const files = filesOf('qwen3-f32').set('chat_template.jinja', '{{ messages }}');
  change(files);
  const warnings = [];
  const onWarning = ({ message }) => warnings.push(message);
  const { pairs } = await pairsOf(byteLevel, checkpointOf(files, { options: { pre: 'qwen2' }, onWarning }));
  expect(pairs.filter(({ key }) => key.includes('chat_template'))).toEqual([]);
  expect(warnings).toEqual([
    expect.stringMatching(/^chat_template\.jinja of model is left out.*tokenizer_config\.json/u),
  ]);
});
