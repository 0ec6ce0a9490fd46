import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';

const folder = useFolder();
const inProject = (name) => new URL(`../../../${name}`, import.meta.url);

test('the example of docs/accuracy.md runs, and finds the fewest bits', () => {
  const text = readFileSync(inProject('docs/accuracy.md'), 'utf8');
  const [, example] = /```js\n([^]*?)```/.exec(text);
  const program = example.replace("'arrowquant'", JSON.stringify(inProject('dist/index.js').href));
  expect(program).not.toBe(example);
  const output = execFileSync(process.execPath, [folder.write('example.mjs', program)], { encoding: 'utf8' });
  expect(output.trim().split('\n')).toEqual([
    expect.stringMatching(/^attention\.mask 8 1\.000$/),
    expect.stringMatching(/^attention\.q (2|4) 0\.9\d\d$/),
    expect.stringMatching(/^mlp\.up 4 0\.9\d\d$/),
    expect.stringMatching(/^true \d\.\d$/),
  ]);
});
