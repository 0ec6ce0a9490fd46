import { codecLabel, planeBytes, traitsOf, type Codec } from '../../codecs/codec.js';
import type { PlannedEntry } from '../../containers/container.js';
import type { OutputLayout } from '../../layouts/layout.js';
import { plain } from '../../layouts/plain.js';

const WEIGHT = '.weight';
const PREFIX = 'mlx_';

/** The path of the module that a weight belongs to; null for other tensors. */
export const moduleOf = (name: string): string | null => (name.endsWith(WEIGHT) ? name.slice(0, -WEIGHT.length) : null);

const isPacked = ({ name }: Codec): boolean => name.startsWith(PREFIX);

/**
 * What MLX calls the parts of a quantized layer: `P.weight` holds its levels in words of 32 bits, `P.scales` and `P.biases` a
 * number for each group, along the last dimension. Floats are one array under their own name.
 */
export const mlx: OutputLayout = {
  name: 'mlx',
  admits: (codec) => {
    if (isPacked(codec)) return null;
    return plain.admits(codec) === null && traitsOf(codec).blockWeights === 1
      ? null
      : `MLX does not read ${codecLabel(codec)}`;
  },
  entriesOf: (tensor) => {
    const { name, shape, elements, target } = tensor;
    if (target.kind !== 'codec' || !isPacked(target.codec)) return plain.entriesOf(tensor);
    const { codec } = target;
    const module = moduleOf(name) ?? name;
    const rows = shape.slice(0, -1);
    return traitsOf(codec).planes.map((plane, index): PlannedEntry => {
      const bytes = planeBytes(codec, index, elements);
      const [type, elementBytes] =
        index === 0 ? (['U32', 4] as const) : ([plane.element, SIZES[plane.element]] as const);
      const perRow = bytes / elementBytes / rows.reduce((product, size) => product * size, 1);
      return {
        name: index === 0 ? name : `${module}.${plane.name}`,
        type: { name: type },
        shape: [...rows, perRow],
        bytes,
      };
    });
  },
  textsOf: () => new Map(),
};

const SIZES = { U8: 1, F8_E4M3: 1, F8_E5M2: 1, F16: 2, BF16: 2, F32: 4 } as const;
