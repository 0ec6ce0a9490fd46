/** The example of docs/arrow.md, as it stands there. */
import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { tableFromIPC } from 'apache-arrow';
import { ArrowQuant } from 'arrowquant';
import 'arrowquant/arrow';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const text = readFileSync(path.join(root, 'docs/arrow.md'), 'utf8');

test('the example runs', async () => {
  const [, example] = /```js\n([^]*?)```/.exec(text);
  const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant arrow '));
  try {
    mkdirSync(path.join(folder, 'node_modules'));
    symlinkSync(root, path.join(folder, 'node_modules/arrowquant'));
    symlinkSync(path.join(root, 'node_modules/apache-arrow'), path.join(folder, 'node_modules/apache-arrow'));
    copyFileSync(path.join(root, 'tests/golden/arrow/list.arrow'), path.join(folder, 'weights.arrow'));
    writeFileSync(path.join(folder, 'example.mjs'), example);
    const { stdout } = await promisify(execFile)(process.execPath, ['example.mjs'], { cwd: folder, timeout: 60_000 });
    expect(stdout.trim().split('\n')).toEqual([
      ...['layer.0 0.2', 'layer.2 0.4', 'layer.3 0.6', 'layer.5 0.8', 'layer.6 1'],
      'layer.0 130',
    ]);
    const names = [...tableFromIPC(readFileSync(path.join(folder, 'int4.arrow'))).getChild('layer_name')];
    expect(names).toEqual(['layer.0', 'layer.2', 'layer.3', 'layer.5', 'layer.6']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the page names the columns that there are, with their types', async () => {
  const quantizer = await ArrowQuant.create({ backend: 'single' });
  const result = await quantizer.quantizeBatch({ a: new Float32Array(8) }, 4);
  await quantizer.dispose();
  const [, section] = text.split('## Results');
  const rows = [...section.matchAll(/^\| `(\w+)` \| ([\w\\<>]+)/gm)].map(([, name, type]) => [name, type]);
  const fields = result.toTable().schema.fields;
  const plain = (type) => String(type).toLowerCase();
  expect(rows.map(([name, type]) => [name, type.replaceAll('\\', '')])).toEqual(
    fields.map(({ name, type }) => [name, plain(type)]),
  );
});
