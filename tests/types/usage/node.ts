/** What a program for Node does, which knows no DOM. */
import { createWriteStream, openAsBlob } from 'node:fs';
import { open } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { ArrowQuant, type FileReport } from 'arrowquant';

export async function useNode(): Promise<void> {
  const quantizer = await ArrowQuant.create();
  const handle = await open('model.gguf');
  const stream = Writable.toWeb(createWriteStream('small.gguf'));
  const report: FileReport = await quantizer.quantizeFile(handle, stream, { type: 'Q8_0' });
  await quantizer.dequantizeFile(await openAsBlob('small.gguf'), 'back.safetensors');
  await quantizer.plan(new URL('file:///model.gguf'), { rules: [['attn_v', 'Q8_0']] as const });
  await quantizer.inspectFile('hf:team/model', { fetch, headers: new Headers({ 'X-Team': 'one' }) });
  await quantizer.inspectFile('hf:team/model', { fetch, headers: new Headers({ 'X-Name': 'value' }) });
  console.log(report.totals);
}
