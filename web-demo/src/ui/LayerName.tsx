/** A layer's name; where it is too long, its middle gives way: the end is what tells layers apart. */
export function LayerName({ name }: { name: string }) {
  const components = name.split('.');
  const tail = components.slice(-2).join('.');
  const head = name.slice(0, name.length - tail.length);
  return (
    <span class="layer-name" title={name}>
      <span class="layer-name-head">{head}</span>
      <span class="layer-name-tail">{tail}</span>
    </span>
  );
}
