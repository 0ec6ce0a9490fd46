import type { ByteRange, ByteSource } from '../io/byte-io.js';
import { unlessAborted } from '../io/unless-aborted.js';
import type { Tensor } from '../layouts/tensor.js';
import type { Model } from './model.js';

/**
 * An opened model for the length of one call: reads that may wait for others end when `signal` fires, though the files stay
 * open for other calls.
 */
export function endable(model: Model, signal: AbortSignal): Model {
  const sources = new Map(model.sources.map((source) => [source, endableSource(source, signal)]));
  const sourceFor = (source: ByteSource): ByteSource => sources.get(source) ?? source;
  const rangeFor = (range: ByteRange): ByteRange => ({ ...range, source: sourceFor(range.source) });
  let tensors: readonly Tensor[] | undefined;
  return {
    ...model,
    sources: [...sources.values()],
    get tensors() {
      tensors ??= model.tensors.map((tensor) => ({
        ...tensor,
        planes: tensor.planes.map((plane) => plane.map(rangeFor)),
      }));
      return tensors;
    },
  };
}

/** Only what is read into memory of its own may be abandoned: nothing that is used again is written to. */
function endableSource(source: ByteSource, signal: AbortSignal): ByteSource {
  const { name, fileName, size, version } = source;
  const readAside = source.readAside?.bind(source);
  const readAlone = source.readAlone?.bind(source);
  return {
    ...{ name, fileName, size, version },
    read: (into, position) => source.read(into, position),
    ...(readAside !== undefined && {
      readAside: (position: number, bytes: number) => unlessAborted(signal, () => readAside(position, bytes)),
    }),
    ...(readAlone !== undefined && {
      readAlone: (position: number, bytes: number) => unlessAborted(signal, () => readAlone(position, bytes)),
    }),
    sibling: (sibling) => source.sibling(sibling),
    checkUnchanged: () => unlessAborted(signal, () => source.checkUnchanged()),
    close: () => source.close(),
  };
}
