/** Outputs that a layout and a container make of tensors without weights: each plane's bytes are all the same. */

const product = (shape) => shape.reduce((count, extent) => count * extent, 1);

/** A tensor that becomes weights of a codec. */
export const coded = (name, shape, codec, dtype = 'F16') => {
  return { name, dtype, shape, elements: product(shape), target: { kind: 'codec', codec } };
};

/** A tensor that stays as it is. */
export const copied = (name, shape, type, bytes, container = 'safetensors') => {
  return {
    name,
    dtype: type.name,
    shape,
    elements: product(shape),
    target: { kind: 'copied', type, container, bytes },
  };
};

/** What a container gets to lay out. */
export const contentsOf = (layout, tensors, change = {}) => ({
  groups: tensors.map((tensor) => ({ entries: layout.entriesOf(tensor) })),
  texts: new Map(),
  layoutTexts: (groups) => layout.textsOf(groups.map((group) => tensors[group])),
  layoutKeys: layout.keys,
  facts: [],
  carried: null,
  file: 'out.safetensors',
  limits: undefined,
  splitBytes: undefined,
  inOrder: false,
  ...change,
});

/** The files by name. The planes are filled with 1, 2, … in the order of the groups. */
export function filesOf({ groups }, { files, places }) {
  const buffers = files.map(({ header, fileBytes }) => {
    const buffer = Buffer.alloc(fileBytes);
    buffer.set(header);
    return buffer;
  });
  let value = 0;
  groups.forEach(({ entries }, group) => {
    entries.forEach(({ bytes }, plane) => {
      const { file, position } = places[group][plane];
      value = (value % 255) + 1;
      buffers[file].fill(value, position, position + bytes);
    });
  });
  return Object.fromEntries(files.map(({ name }, index) => [name, buffers[index]]));
}
