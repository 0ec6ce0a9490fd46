import type { ByteSource } from '../../io/byte-io.js';
import { part } from '../../part.js';
import type { InputContainer, OpenedFiles } from '../container.js';
import { looksLikeOnnx } from './head.js';

/** Models in ONNX, one file and those that elements of its tensors lie in (docs/onnx.md). What reads them is loaded when there is one. */
export const onnx = {
  name: 'onnx',
  title: 'an ONNX model',
  hasFinalNames: true,
  extension: '.onnx',
  recognizes: looksLikeOnnx,
  open,
} as const satisfies InputContainer;

async function open(source: ByteSource): Promise<OpenedFiles> {
  const { openedFiles } = await part(() => import('./opened-files.js'));
  return openedFiles(source);
}
