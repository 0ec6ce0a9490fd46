import { readHead } from '../containers/foreign-files.js';
import { looksLikeGguf } from '../containers/gguf/header.js';
import { invalidFile } from '../containers/invalid-file.js';
import type { ByteSource } from '../io/byte-io.js';
import { looksLikeDat, readDatForm } from './dat-form.js';
import { readGgufForm } from './gguf-form.js';
import type { ImportanceMatrix } from './importance.js';

/**
 * Reads a whole importance matrix, in either of llama.cpp's forms. The source stays open. Rejects with `invalid_file` for what
 * is none, or damaged, and with `unreadable_input`.
 */
export async function readImportanceMatrix(source: ByteSource): Promise<ImportanceMatrix> {
  const head = await readHead(source, (bytes) => looksLikeGguf(bytes) || looksLikeDat(bytes));
  if (!looksLikeGguf(head) && !looksLikeDat(head)) {
    throw invalidFile(source, 'it is no importance matrix, neither as a GGUF nor in the form .dat');
  }
  const matrix = await (looksLikeGguf(head) ? readGgufForm(source) : readDatForm(source));
  await source.checkUnchanged();
  return matrix;
}
