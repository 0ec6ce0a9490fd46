import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { rawFile } from '../../support/models/safetensors.mjs';

/** Writes a model of zeros that takes no room on the disk: `tensors` matrices of F32 or F16, `bytes` in all. */
export function writeSparseModel(file, bytes, tensors, dtype = 'F32') {
  const size = bytes / tensors;
  const entries = Array.from({ length: tensors }, (_, index) => {
    const shape = [size / (dtype === 'F32' ? 4 : 2) / 4096, 4096];
    return [`layer.${index}.weight`, { dtype, shape, data_offsets: [index * size, (index + 1) * size] }];
  });
  const header = rawFile(JSON.stringify(Object.fromEntries(entries)));
  const handle = openSync(file, 'w');
  writeSync(handle, header);
  ftruncateSync(handle, header.length + bytes);
  closeSync(handle);
}
