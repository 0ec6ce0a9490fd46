import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { rawFile } from '../../files/support/safetensors.mjs';

/** Writes a model of zeros that takes no room on the disk: `tensors` F32 matrices, `bytes` in all. */
export function writeSparseModel(file, bytes, tensors) {
  const size = bytes / tensors;
  const entries = Array.from({ length: tensors }, (_, index) => {
    const shape = [size / 4 / 4096, 4096];
    return [`layer.${index}.weight`, { dtype: 'F32', shape, data_offsets: [index * size, (index + 1) * size] }];
  });
  const header = rawFile(JSON.stringify(Object.fromEntries(entries)));
  const handle = openSync(file, 'w');
  writeSync(handle, header);
  ftruncateSync(handle, header.length + bytes);
  closeSync(handle);
}
