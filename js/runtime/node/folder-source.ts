import { stat } from 'node:fs/promises';
import path from 'node:path';
import { fieldsOf } from '../../checks.js';
import type { ByteSource } from '../../io/byte-io.js';
import { codeOf, readFailure, unreadable } from '../failures.js';
import { modelInFolder } from '../folders.js';
import { namesOfFiles, openPath } from './source.js';

/** `organization/model`, as hubs call models. */
const OF_HUB = /^\w[\w.-]*\/\w[\w.-]*(?<!\.(?:safetensors|gguf|onnx|arrows?|feather|bin|ckpt|pth?|json))$/i;

/** The address of a page of the hub, as browsers show it. */
const PAGE_OF_HUB = /^(?:www\.)?(?:huggingface|hf)\.co\//i;

/** What is meant with a path where nothing is. */
function hintFor(name: string): string | undefined {
  if (PAGE_OF_HUB.test(name)) return 'the address of a page begins with https://';
  return OF_HUB.test(name) ? `a model on a hub is written hf:${name}` : undefined;
}

/** Opens the file at a path, or the model in the folder there. */
export async function openModelPath(name: string): Promise<ByteSource> {
  const isFolder = await stat(name).then(
    (about) => about.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    return openPath(name, 'unreadable_input').catch((error: unknown) => {
      const isMissing = codeOf(fieldsOf(error)['cause']) === 'ENOENT';
      const hint = hintFor(name);
      if (!isMissing || hint === undefined) throw error;
      throw unreadable(name, `there is no such file or folder; ${hint}`);
    });
  }
  try {
    return await openPath(path.join(name, modelInFolder(await namesOfFiles(name), name)), 'unreadable_input');
  } catch (error) {
    throw readFailure(name, error);
  }
}
