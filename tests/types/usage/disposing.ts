/** Quantizers and models that end with the block, which TypeScript has known since 5.2. */
import { ArrowQuant } from 'arrowquant';

export async function useUntilTheEnd(): Promise<number> {
  await using quantizer = await ArrowQuant.create();
  await using model = await quantizer.open('model.gguf');
  return model.elements + quantizer.threads;
}
