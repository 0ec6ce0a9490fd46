/** What the documentation promises to TypeScript users, in a page; it is type-checked, never run. */
import { ArrowQuant, QuantizeError, type BatchResult, type BlockType, type QuantizeErrorCode } from 'arrowquant';

// As type libraries that know Float16Array declare it.
interface Float16Array extends ArrayBufferView {
  readonly BYTES_PER_ELEMENT: number;
  readonly length: number;
  readonly [Symbol.toStringTag]: 'Float16Array';
  [index: number]: number;
}
declare const halves: Float16Array;
declare const blob: Blob;
declare const picked: FileSystemFileHandle;
declare const files: readonly File[];
declare const download: WritableStream<Uint8Array>;

export async function usePage(): Promise<void> {
  const weights = new Map([['layer.0.weight', new Float32Array(64)]]);
  const quantizer = await ArrowQuant.create({ mode: 'diffusion', threads: 4 });

  const options = { groupSize: 'tensor', signal: AbortSignal.timeout(1000) } as const;
  const report = (layer: string, progress: number): void => {
    console.log(layer.length, progress.toFixed(2));
  };
  const result: BatchResult = await quantizer.quantizeBatchWithProgress(weights, 4, report, options);
  const shaped = { a: { data: new Float32Array(4), shape: [2, 2] } };
  const same = await quantizer.quantizeBatch(shaped, undefined, { output: result, profile: 'edge' });
  const pairs = await quantizer.quantizeBatch([['a', new Float32Array(4)]] as const, 8);
  await quantizer.quantizeBatchWithProgress(weights, 4, async () => {
    await Promise.resolve();
  });
  await quantizer.quantizeBatch({ a: halves, b: { data: halves, shape: [2, 2] } }, 4);

  const back: Float32Array = await quantizer.dequantize(result.get('layer.0.weight'));
  const type: BlockType = 'Q4_K';
  const bytes: Uint8Array = await quantizer.encode({ data: back, shape: [1, 256] }, type);
  const restored: Float32Array = await quantizer.decode(bytes, 'q8_0', {});
  await quantizer.quantizeBatch(weights, null, { groupSize: null, profile: null, output: null, signal: null });

  const code: QuantizeErrorCode | undefined = same.failures.get('a')?.code;
  console.log(code === 'not_finite', pairs.size, restored.length, new QuantizeError('aborted').layer?.length);

  // @ts-expect-error there is no such block type
  await quantizer.encode(back, 'Q9_9');
  // @ts-expect-error there is no such option
  await quantizer.quantizeBatch(weights, 4, { symetric: true });
  // @ts-expect-error other arrays are no weights
  await quantizer.quantizeBatch({ a: new Float64Array(4) }, 4);
  // @ts-expect-error nor are their bits
  await quantizer.quantizeBatch({ a: new Uint16Array(4) }, 4);
  // @ts-expect-error 3 is no bit width
  await quantizer.quantizeBatch(weights, 3);
  // @ts-expect-error there is no such group size
  await quantizer.quantizeBatch(weights, 4, { groupSize: 100 });
  // @ts-expect-error weights are Float32Arrays
  await quantizer.quantizeBatch({ a: [1, 2, 3] }, 4);
  const keyValues = { a: { type: 'u8', value: 1 }, b: { type: 'string[]', value: ['c'] } } as const;
  await quantizer.quantizeFile('Qwen3-0.6B', 'qwen3.gguf', { type: 'Q4_K_M', keyValues });
  // @ts-expect-error a text is no number
  await quantizer.quantizeFile('Qwen3-0.6B', 'qwen3.gguf', { keyValues: { a: { type: 'u8', value: 'b' } } });
  // @ts-expect-error errors have stable codes
  console.log(code === 'nonsense');

  await quantizer.quantizeFile('model.safetensors', picked, {
    type: 'q4_k_m',
    rules: [['attn_v', 'q8_0']],
    bits: null,
  });
  // @ts-expect-error there is no such program
  await quantizer.quantizeFile(files, download, { for: 'koboldcpp' });
  await quantizer.quantizeFile(files, download);
  await quantizer.quantizeFile(new URL('https://example.org/model.safetensors'), download);
  await quantizer.dequantizeFile(new Blob(), download);
  await quantizer.inspectFile('hf:team/model', { fetch, headers: new Headers({ 'X-Name': 'value' }) });
  await quantizer.inspectFile(picked);
  await quantizer.inspectFile('hf:team/model', { accessToken: 'hf_x', hubUrl: 'https://hub.example', signal: null });
  await quantizer.inspectFile('hf:team/model', { fetch, headers: new Headers({ 'X-Team': 'one' }) });
  await quantizer.inspectFile('hf:team/model', {
    fetch: (url, init) => fetch(url, { ...init, credentials: 'include' }),
  });
  for (const headers of [{ 'X-Team': 'one' }, [['X-Team', 'one'] as const], new Map([['X-Team', 'one']])]) {
    await quantizer.readTensor('https://models.example/m.gguf', 'a', { headers, begin: 0 });
  }
  // @ts-expect-error values are texts
  await quantizer.inspectFile('hf:team/model', { headers: { 'X-Team': 1 } });
  for (const source of [back.buffer, bytes, new SharedArrayBuffer(8)]) await quantizer.inspectFile(source);
  await quantizer.inspectFile({ size: 8, slice: (from: number, to: number) => blob.slice(from, to) });
  await quantizer.dispose();
}
