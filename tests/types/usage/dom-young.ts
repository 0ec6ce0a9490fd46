/** What TypeScript 5.0 does not know of pages yet, nor of pairs that are written down where they are used. */
import type { ArrowQuant } from 'arrowquant';

export async function useYoungThings(quantizer: ArrowQuant, picked: FileSystemFileHandle): Promise<number> {
  await quantizer.quantizeFile(new Blob(), await picked.createWritable());
  const pairs = await quantizer.quantizeBatch([['a', new Float32Array(4)]], 8);
  return pairs.size;
}
