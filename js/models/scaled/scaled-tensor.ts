import type { Tensor, CodedTensor } from '../../layouts/tensor.js';
import { storedBytes } from '../../layouts/tensor.js';
import { undecodable, type Layer } from './layer.js';
import { spreadScales, type Scales } from './spread.js';

/** What weights are restored as where nothing says what they were: models of today are BF16. */
const USUAL_DTYPE = 'BF16';

/** What a layer becomes. */
export interface ScaledForm {
  readonly layer: Layer;
  /** Name of the codec of the elements. */
  readonly codec: string;
  /** How reports call it. */
  readonly format: string;
  readonly scales: Omit<Scales, 'layer'>;
  /** The tensors that its bytes are in, besides the weight. */
  readonly parts: readonly Tensor[];
  /** Where they differ from those of the tensor of the weights. */
  readonly name?: string;
  readonly shape?: readonly number[];
  readonly dtype?: string;
}

/** The tensor of a layer whose elements are stored as they are, with scales of whichever kind. */
export function scaledTensor({ layer, codec, format, scales, parts, name, shape, dtype }: ScaledForm): CodedTensor {
  const { weight } = layer;
  const { rows, columns, unit } = scales.grid;
  if (unit < 2) throw undecodable(layer, `${format} with an odd number of weights for each scale`);
  const plane = spreadScales({ ...scales, layer });
  return {
    name: name ?? weight.name,
    shape: shape ?? weight.shape,
    elements: rows * columns,
    dtype: dtype ?? USUAL_DTYPE,
    planes: [weight.planes[0] ?? [], [plane]],
    codec: { name: codec, bits: 0, groupSize: unit, symmetric: false },
    format,
    fileBytes: [weight, ...parts].reduce((bytes, part) => bytes + storedBytes(part), 0),
  };
}
