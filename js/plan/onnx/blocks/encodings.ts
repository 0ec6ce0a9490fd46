import { sameCodec, type Codec } from '../../../codecs/codec.js';
import type { Encoding, OnnxTensor } from '../../../containers/onnx/graph.js';

/** The encodings of a pass: weights that several nodes use are encoded once. */
export class Encodings {
  readonly #byWeights = new Map<OnnxTensor, Encoding>();

  /** Null where the weights are encoded in another way: two would have the same names. */
  of(weights: OnnxTensor, codec: Codec, view: Encoding['view']): Encoding | null {
    const known = this.#byWeights.get(weights);
    if (known !== undefined) return sameCodec(known.codec, codec) && known.view === view ? known : null;
    const encoding: Encoding = { weights, codec, view, rule: null };
    this.#byWeights.set(weights, encoding);
    return encoding;
  }
}
