import type { ByteSource } from '../../../io/byte-io.js';
import { QuantizeError, quoted } from '../../../errors.js';
import { invalidFile } from '../../invalid-file.js';
import { checkAcyclic } from '../check-graph.js';
import type { Model } from '../graph.js';
import { externalPaths, modelOf } from './model.js';
import { readMessage } from './wire.js';

/** Elements of one model lie in one file or a few. */
const MOST_FILES = 4096;

/** A model, and every file that it consists of; its own is the first. */
export interface OnnxFiles {
  readonly model: Model;
  readonly sources: readonly ByteSource[];
}

/**
 * Reads and checks all of a model but the elements of its tensors, and opens the files in which these lie. Rejects with
 * `invalid_file`, `missing_shard` or `unreadable_input`; what it has opened is closed then, but for `source`.
 */
export async function openOnnx(source: ByteSource): Promise<OnnxFiles> {
  const raw = await readMessage(source, 'model');
  const paths = externalPaths(raw, source);
  if (paths.length > MOST_FILES) throw invalidFile(source, `its tensors lie in ${paths.length} files`);
  const external = new Map<string, ByteSource>();
  try {
    for (const path of paths) external.set(path, await openExternal(source, path));
    const model = modelOf(raw, { source, external });
    checkAcyclic(model, source);
    return { model, sources: [source, ...external.values()] };
  } catch (error) {
    for (const file of external.values()) await file.close();
    throw error;
  }
}

async function openExternal(source: ByteSource, path: string): Promise<ByteSource> {
  if (!isPlainPath(path)) {
    const detail = `its tensors lie in ${quoted(path)}, which is no file in the folder of the model`;
    throw invalidFile(source, detail);
  }
  try {
    return await source.sibling(
      path
        .split('/')
        .filter((part) => part !== '.')
        .join('/'),
    );
  } catch (error) {
    if (!(error instanceof QuantizeError) || error.code !== 'missing_shard') throw error;
    throw new QuantizeError('missing_shard', {
      file: path,
      detail: `tensors of ${source.name} lie in it; put it beside the model`,
      cause: error,
    });
  }
}

/** Whether a path leads to a file in the model's folder or a folder in it, on every system. */
function isPlainPath(path: string): boolean {
  if (path === '' || /[\\:\0]/u.test(path)) return false;
  const parts = path.split('/');
  return parts.every((part) => part !== '' && part !== '..') && parts.at(-1) !== '.';
}
