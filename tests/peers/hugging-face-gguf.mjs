/** Hugging Face's GGUF parser, which the tests have look at the files that ArrowQuant writes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gguf } from '@huggingface/gguf';

/** What it finds in a file of these bytes: `metadata`, `tensorInfos`, `tensorDataOffset`. */
export async function parseWithHuggingFace(bytes) {
  const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-gguf-'));
  try {
    const file = path.join(folder, 'model.gguf');
    writeFileSync(file, bytes);
    return await gguf(file, { allowLocalFile: true });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
