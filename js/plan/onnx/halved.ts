import { codecNamed } from '../../codecs/codec.js';
import { DataType } from '../../containers/onnx/data-types.js';
import { planeTensor, type Encoding, type OnnxTensor } from '../../containers/onnx/graph.js';

/** Codecs with f32 scales, and what they are called with f16 scales, clamped as float16.py clamps numbers. */
const HALVED: Readonly<Record<string, string>> = { onnx_blocks: 'onnx_blocks_halved' };

/** Makes f16 tensors of f32 ones. One object is for one pass: planes of one encoding become planes of one other. */
export class Halving {
  readonly #encodings = new Map<Encoding, Encoding>();

  /**
   * A float tensor as f16, clamped as float16.py does it. Planes of an encoding that are no floats stay, but name the new
   * encoding, too: hand all of them over.
   */
  tensor(tensor: OnnxTensor): OnnxTensor {
    const { data, dims, name = '' } = tensor;
    if (data.kind !== 'plane') {
      if (tensor.dataType !== DataType.float) return tensor;
      const encoding: Encoding = { weights: tensor, codec: codecNamed('onnx_f16'), view: 'stored', rule: null };
      return { ...planeTensor(name, DataType.float16, dims, encoding, 'values'), name: tensor.name, rest: tensor.rest };
    }
    const encoding = this.#halved(data.encoding);
    const dataType = tensor.dataType === DataType.float ? DataType.float16 : tensor.dataType;
    return { ...tensor, dataType, data: { ...data, encoding } };
  }

  #halved(encoding: Encoding): Encoding {
    const known = this.#encodings.get(encoding);
    if (known !== undefined) return known;
    const { codec } = encoding;
    const made = { ...encoding, codec: { ...codec, name: HALVED[codec.name] ?? codec.name } };
    this.#encodings.set(encoding, made);
    return made;
  }
}
