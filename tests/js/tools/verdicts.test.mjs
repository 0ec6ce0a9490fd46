import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inputsOf, isGood } from '../../../tools/lib/verdicts.mjs';

const { XDG_CACHE_HOME } = process.env;
let folder;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-verdicts-'));
  process.env.XDG_CACHE_HOME = path.join(folder, 'cache');
});
afterEach(() => {
  if (XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = XDG_CACHE_HOME;
  rmSync(folder, { recursive: true });
});

describe('a good verdict', () => {
  let runs;
  beforeEach(() => (runs = 0));
  const check = (verdict) => async () => ((runs += 1), verdict);

  test('is remembered for the same input, and for no other', async () => {
    for (const text of ['a', 'a', 'b']) expect(await isGood(async () => [text], check(true))).toBe(true);
    expect(runs).toBe(2);
  });

  test('is all that is remembered', async () => {
    for (let i = 0; i < 2; ++i) expect(await isGood(async () => ['a'], check(false))).toBe(false);
    expect(runs).toBe(2);
  });

  test('is not remembered for a text that has changed under the check', async () => {
    let text = 'as it was';
    const edit = async () => ((text = 'as it is now'), check(true)());
    expect(await isGood(async () => [text], edit)).toBe(true);
    text = 'as it was';
    await isGood(async () => [text], check(true));
    expect(runs).toBe(2);
  });

  test('is not remembered where nobody knows what it depends on', async () => {
    for (let i = 0; i < 2; ++i) expect(await isGood(async () => null, check(true))).toBe(true);
    expect(runs).toBe(2);
  });
});

describe('what a compiler reads', () => {
  /** A compiler's list of files, as make wants it. */
  const entry = (rule) => ({ command: `cat ${rule} # -o one.o -c one.cc`, directory: folder });
  const at = (name) => path.join(folder, name);

  beforeEach(() => {
    mkdirSync(at('a system'));
    writeFileSync(at('one.cc'), '#include <lib.h>\n');
    writeFileSync(at('a system/lib.h'), 'int a;\n');
    writeFileSync(at('rule'), 'one.o: one.cc \\\n a\\ system/lib.h\n');
  });

  test('are the files of the system too', async () => {
    expect(await inputsOf(entry('rule'))).toEqual([
      entry('rule').command,
      ...[at('one.cc'), '#include <lib.h>\n'],
      ...[at('a system/lib.h'), 'int a;\n'],
    ]);
  });

  test('is not known where a file is missing', async () => {
    rmSync(at('a system/lib.h'));
    expect(await inputsOf(entry('rule'))).toBeNull();
    expect(await inputsOf(entry('no-such-rule'))).toBeNull();
  });
});
