import { stat } from 'node:fs/promises';
import path from 'node:path';
import { fieldsOf } from '../../checks.js';
import type { ByteSource } from '../../io/byte-io.js';
import { codeOf, readFailure, unreadable } from '../failures.js';
import { modelInFolder } from '../folders.js';
import { namesOfFiles, openPath } from './source.js';

/** `organization/model`, as hubs call models. */
const OF_HUB = /^\w[\w.-]*\/\w[\w.-]*(?<!\.(?:safetensors|gguf|onnx|bin|ckpt|pth?|json))$/i;

/** Opens the file at a path, or the model in the folder there. */
export async function openModelPath(name: string): Promise<ByteSource> {
  const isFolder = await stat(name).then(
    (about) => about.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    return openPath(name, 'unreadable_input').catch((error: unknown) => {
      const isMissing = codeOf(fieldsOf(error)['cause']) === 'ENOENT';
      if (!isMissing || !OF_HUB.test(name)) throw error;
      throw unreadable(name, `there is no such file or folder; a model on a hub is written hf:${name}`);
    });
  }
  try {
    return await openPath(path.join(name, modelInFolder(await namesOfFiles(name), name)), 'unreadable_input');
  } catch (error) {
    throw readFailure(name, error);
  }
}
