/** Plans of models that are made of names. */
import { DIFFUSION_FAMILIES, planTypes } from '../../support/internals.mjs';

export const describeTensor = ([name, shape, dtype = 'BF16']) => ({
  name,
  dtype,
  shape,
  elements: shape.reduce((count, extent) => count * extent, 1),
  // GGUF has no type for it.
  ...(dtype.startsWith('F8_') && { keptAs: 'F16' }),
});

/** `tensors` are [name, shape, dtype = BF16]; what is said of a tensor can be had by its input name. */
export function plan(tensors, { target = 'Q4_K_M', hasFinalNames = false, ...rest } = {}) {
  const described = tensors.map(describeTensor);
  const result = planTypes({ tensors: described, target, hasFinalNames, ...rest });
  const of = (name) => result.decisions[described.findIndex((tensor) => tensor.name === name)];
  const typeOf = (name) => (of(name).kind === 'convert' ? of(name).type : of(name).kind);
  return { ...result, of, typeOf };
}

export const isDiffusersSet =
  (family) =>
  ({ has }) =>
    has.some((name) => family.diffusersLayout?.includes(name));
export const originalSets = (family) => family.detect.filter((set) => !isDiffusersSet(family)(set));
export const diffusersSet = (family) => family.detect.find(isDiffusersSet(family));

/** Matrices of the names that a family is known by, with a prefix. */
export const matrices = ({ has, extents = [] }, prefix = '') => {
  const shapes = new Map(has.map((name) => [name, [512, 512]]));
  for (const { of, dimension, is } of extents) {
    shapes.set(of, shapes.get(of) ?? [512, 512]);
    shapes.get(of)[dimension] = is;
  }
  return [...shapes].map(([name, shape]) => [prefix + name, shape]);
};

export const familyNamed = (name) => DIFFUSION_FAMILIES.find((family) => family.name === name);
export const planOf = (name, tensors, options) =>
  plan([...matrices(originalSets(familyNamed(name))[0]), ...tensors], options);
