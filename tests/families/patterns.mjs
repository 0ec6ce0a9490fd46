/**
 * How the models of this folder are written down: by name, a shape, or the shapes of a module's parameters. Names are patterns:
 * `{a,b}` stands for each of them, `{0..2}` for each number. Names and shapes are those of published files; of the blocks of a
 * model, which are all alike, there are as many as it takes.
 */

/** A matrix of `outputs` rows, and its bias. */
export const linear = (outputs, inputs, hasBias = true) => ({
  weight: [outputs, inputs],
  ...(hasBias && { bias: [outputs] }),
});

/** A matrix without a bias. */
export const matrix = (outputs, inputs) => linear(outputs, inputs, false);

/** A convolution; `kernel` are its extents, as many as it has dimensions. */
export const convolution = (outputs, inputs, ...kernel) => ({ weight: [outputs, inputs, ...kernel], bias: [outputs] });

export const norm = (width) => ({ weight: [width], bias: [width] });
export const rootMeanSquareNorm = (width) => ({ weight: [width] });

/** Puts `prefix` before every name. */
export const within = (prefix, modules) =>
  Object.fromEntries(Object.entries(modules).map(([name, value]) => [prefix + name, value]));

/** All names that a pattern stands for. */
export function namesOf(pattern) {
  const found = /\{([^{}]*)\}/u.exec(pattern);
  if (found === null) return [pattern];
  const range = /^(\d+)\.\.(\d+)$/u.exec(found[1]);
  const parts =
    range === null
      ? found[1].split(',')
      : Array.from({ length: range[2] - range[1] + 1 }, (_, index) => String(Number(range[1]) + index));
  return parts.flatMap((part) =>
    namesOf(pattern.slice(0, found.index) + part + pattern.slice(found.index + found[0].length)),
  );
}

/** The tensors that `modules` stand for, as `{ name, shape }`. */
export const tensorsOf = (modules) =>
  Object.entries(modules).flatMap(([pattern, value]) =>
    namesOf(pattern).flatMap((name) =>
      Array.isArray(value)
        ? [{ name, shape: value }]
        : Object.entries(value).map(([parameter, shape]) => ({ name: `${name}.${parameter}`, shape })),
    ),
  );
