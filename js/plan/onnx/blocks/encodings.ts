import { sameCodec, type Codec } from '../../../codecs/codec.js';
import { opsetVersion, type Encoding, type Model, type OnnxTensor } from '../../../containers/onnx/graph.js';
import { Names } from '../names.js';

/** The encodings of a pass: weights that several nodes use are encoded once. */
export class Encodings {
  /** What the planes may be called. */
  readonly names: Names;
  /** The version of ONNX's own operators that nodes are of. */
  readonly opset: number;
  readonly #byWeights = new Map<OnnxTensor, Encoding>();

  constructor(model: Model) {
    this.names = new Names(model);
    this.opset = opsetVersion(model);
  }

  /** Null where the weights are encoded in another way: two would have the same names. */
  of(weights: OnnxTensor, codec: Codec, view: Encoding['view']): Encoding | null {
    const known = this.#byWeights.get(weights);
    if (known !== undefined) return sameCodec(known.codec, codec) && known.view === view ? known : null;
    const encoding: Encoding = { weights, codec, view, rule: null };
    this.#byWeights.set(weights, encoding);
    return encoding;
  }
}
