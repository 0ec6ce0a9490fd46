/** Everything that `arrowquant/wasm` exports, by name. */
import createModule, {
  type ModuleOptions,
  type ProgressCallback,
  type RawBatchOptions,
  type RawBatchResult,
  type RawCodec,
  type RawElementType,
  type RawJobWords,
  type RawModule,
  type RawPlane,
  type RawQuantizedLayer,
  type RawWeights,
} from 'arrowquant/wasm';

const progress: ProgressCallback = (layer, fraction) => layer.length * fraction;

export async function useModule(): Promise<number> {
  const creation: ModuleOptions = { threads: 2, backend: 'threads', wasmBinary: new Uint8Array(8) };
  const module: RawModule = await createModule(creation);
  const weights = new Map<string, RawWeights>([['layer', { data: new Float32Array(64), shape: [8, 8] }]]);
  const options: RawBatchOptions = { groupSize: 32, cancellation: { cancelled: false } };
  const result: RawBatchResult = await module.quantizeBatchWithProgress(weights, 4, progress, options);
  const layers: RawQuantizedLayer[] = [...result.values()];
  for (const layer of layers) await module.dequantize(layer);
  const codecs: readonly RawCodec[] = module.codecs();
  const planes: readonly RawPlane[] = codecs.flatMap((codec) => codec.planes);
  const elements: readonly RawElementType[] = planes.map(({ element }) => element);
  const words: RawJobWords = module.jobWords();
  module.dispose();
  return elements.length + Object.keys(words.verbs).length;
}
