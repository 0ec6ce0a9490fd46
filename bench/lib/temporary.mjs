import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Gives `work` a folder of its own, which is removed afterwards. */
export async function inTemporaryFolder(work) {
  const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-bench-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
