/**
 * Writes tensors of eight bytes into an output that can be resumed, a hundred at once, and says each that is complete. The
 * last is never complete, so that the process never ends by itself.
 */
import { writeSync } from 'node:fs';
import { nodeFiles } from '../../../../build/modules/runtime/node/files.js';

const [path, count] = process.argv.slice(2);
const tensors = Number(count);
const sink = await nodeFiles.openSink(path, {
  ...{ bytes: tensors * 8, inputs: [], resume: { fingerprint: 'the same' } },
});
const forever = setInterval(() => undefined, 1e6);
let next = 0;

async function writeAndComplete() {
  while (next < tensors - 1) {
    const index = next++;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(index) + 1n, true);
    await sink.write(bytes, index * 8);
    await sink.complete(`tensor ${index}`);
    writeSync(1, `tensor ${index}\n`);
  }
}

await Promise.all(Array.from({ length: 100 }, writeAndComplete));
await new Promise(() => forever);
