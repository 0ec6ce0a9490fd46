/** What the names of a diffusion model's tensors begin with, in checkpoints that may hold more than that model. */
const SINGLE = ['model.diffusion_model.', 'diffusion_model.', 'transformer.', 'unet.', 'model.', 'net.'];

/** Some programs have put theirs before one that was there. */
const DOUBLE = SINGLE.flatMap((first) => SINGLE.map((second) => first + second));

/** The longer ones first: none must be taken for the beginning of another. */
export const PREFIXES: readonly string[] = [...DOUBLE, ...SINGLE].sort((a, b) => b.length - a.length);

/** The prefix that the diffusion model's tensors have among `names`, whatever model it is; empty when they have none. */
export const prefixOf = (names: readonly string[]): string =>
  PREFIXES.find((prefix) =>
    // What else has these can be anything.
    prefix === 'transformer.' || prefix === 'unet.' || prefix === 'net.'
      ? names.length > 0 && names.every((name) => name.startsWith(prefix))
      : names.some((name) => name.startsWith(prefix)),
  ) ?? '';
