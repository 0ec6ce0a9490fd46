/** What only a TypeScript that knows what memory an array lies in can tell: from 5.7 on. */
import type { ArrowQuant } from 'arrowquant';

export async function confuseArrays(quantizer: ArrowQuant): Promise<void> {
  // @ts-expect-error bytes are a Uint8Array or a buffer
  await quantizer.inspectFile(new Uint16Array(8));
}
