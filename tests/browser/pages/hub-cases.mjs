/** What tests do with models on a hub; `options` are those of inspectFile. */

/** Names of the tensors of `source`, or what is wrong with it; of no source those of nothing. */
export async function inspectSource({ ArrowQuant }, { source, options }) {
  const quantizer = await ArrowQuant.create({ backend: 'single' });
  try {
    const { tensors } = await quantizer.inspectFile(source ?? new Blob(['none']), options);
    return tensors.map(({ name }) => name);
  } catch ({ code, message }) {
    return `${code}: ${message}`;
  } finally {
    await quantizer.dispose();
  }
}

/** Which scripts for servers were loaded, in order, without what tells builds apart. */
export const scriptsForServers = () =>
  performance
    .getEntriesByType('resource')
    .map(({ name }) => name.replace(/^.*\/|-[^-/]*\.js$/g, ''))
    .filter((name) => /^(remote|hub\.js)/.test(name));
