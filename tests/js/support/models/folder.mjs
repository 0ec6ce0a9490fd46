import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';

/** A folder of its own for each test; an object, because it is there only while a test runs. */
export function useFolder() {
  const folder = {
    at: '',
    path: (name) => path.join(folder.at, name),
    write(name, contents) {
      writeFileSync(folder.path(name), contents);
      return folder.path(name);
    },
    list: () => readdirSync(folder.at).sort(),
  };
  beforeEach(() => {
    folder.at = mkdtempSync(path.join(tmpdir(), 'arrowquant-test-'));
  });
  afterEach(() => {
    rmSync(folder.at, { recursive: true, force: true });
  });
  return folder;
}
