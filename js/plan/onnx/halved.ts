import { codecNamed } from '../../codecs/codec.js';
import { DataType } from '../../containers/onnx/data-types.js';
import { planeTensor, type Encoding, type OnnxTensor } from '../../containers/onnx/graph.js';

/** What makes f16 of f32, clamped as float16.py clamps numbers, and its only plane. */
const F16 = 'onnx_f16';
const VALUES = 'values';

/** Codecs with f32 scales, and those that have them as f16, clamped in the same way. */
const HALVED: Readonly<Record<string, string>> = { onnx_blocks: 'onnx_blocks_halved' };

/** Makes f16 tensors of f32 ones: one object for one pass over a model. */
export class Halving {
  readonly #encodings = new Map<Encoding, Encoding>();
  readonly #rules: ReadonlyMap<OnnxTensor, string>;

  /** `rules`: those that say of weights that this is all that becomes of them. */
  constructor(rules: ReadonlyMap<OnnxTensor, string> = new Map()) {
    this.#rules = rules;
  }

  /** The tensor as f16; what is no f32 stays. */
  readonly halve = (tensor: OnnxTensor): OnnxTensor => {
    if (tensor.dataType !== DataType.float) return tensor;
    const { data, dims, name, rest } = tensor;
    if (data.kind === 'plane') {
      return { ...tensor, dataType: DataType.float16, data: { ...data, encoding: this.#halved(data.encoding) } };
    }
    const rule = this.#rules.get(tensor) ?? null;
    const encoding: Encoding = { weights: tensor, codec: codecNamed(F16), view: 'stored', rule };
    return { ...planeTensor(name ?? '', DataType.float16, dims, encoding, VALUES), name, rest };
  };

  #halved(encoding: Encoding): Encoding {
    const known = this.#encodings.get(encoding);
    if (known !== undefined) return known;
    const { codec } = encoding;
    const name = HALVED[codec.name];
    if (name === undefined) throw new RangeError(`the scales of ${codec.name} are no f16`);
    const made = { ...encoding, codec: { ...codec, name }, halvedFrom: encoding };
    this.#encodings.set(encoding, made);
    return made;
  }
}
