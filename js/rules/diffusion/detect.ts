import { DIFFUSION_FAMILIES, type Detection, type DiffusionFamily } from './families.js';
import { PREFIXES } from './prefixes.js';

/** What families are told by of a tensor. */
interface Named {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface Detected {
  readonly family: DiffusionFamily;
  /** What the names of its tensors begin with. */
  readonly prefix: string;
  /** Whether names and shapes are those of the library diffusers, which programs that open GGUFs do not know. */
  readonly isDiffusersLayout: boolean;
}

type Shapes = ReadonlyMap<string, readonly number[]>;

/** The family that a model is of, whatever its tensors' names begin with; null when it is none that is known. */
export function detectFamily(
  tensors: readonly Named[],
  families: readonly DiffusionFamily[] = DIFFUSION_FAMILIES,
): Detected | null {
  for (const prefix of ['', ...PREFIXES]) {
    const shapes = shapesWithout(prefix, tensors);
    const family =
      shapes.size === 0 ? undefined : families.find(({ detect }) => detect.some((one) => holds(one, shapes)));
    if (family !== undefined) {
      return { family, prefix, isDiffusersLayout: family.diffusersLayout?.some((name) => shapes.has(name)) ?? false };
    }
  }
  return null;
}

const shapesWithout = (prefix: string, tensors: readonly Named[]): Shapes =>
  new Map(
    tensors.flatMap(({ name, shape }) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), shape] as const] : [],
    ),
  );

const holds = ({ has, hasNot = [], extents = [] }: Detection, shapes: Shapes): boolean =>
  has.every((name) => shapes.has(name)) &&
  !hasNot.some((name) => shapes.has(name)) &&
  extents.every(({ of, dimension, is }) => shapes.get(of)?.[dimension] === is);
