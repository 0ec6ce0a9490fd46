import { CheckpointFiles, Companions, MemorySource } from './internals.mjs';

/** The files beside a checkpoint's weights: `contents` has their texts by name. */
export const checkpointFiles = (contents, folderName = '') =>
  new CheckpointFiles(new Companions(anchor(contents, folderName)));

function anchor(contents, folderName) {
  const weights = new MemorySource('model.safetensors', new Uint8Array());
  const names = Object.keys(contents);
  return Object.assign(weights, {
    folderName,
    list: () => Promise.resolve(names),
    sibling: (name) => {
      if (!Object.hasOwn(contents, name)) return MemorySource.prototype.sibling.call(weights, name);
      return Promise.resolve(new MemorySource(name, new TextEncoder().encode(contents[name])));
    },
  });
}
