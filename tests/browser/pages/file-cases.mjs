/** What tests do with files in pages and Workers; `model` is a file's address, and `options` are those of quantizeFile. */
import { digest } from './cases.mjs';

const absolute = (model) => new URL(model, self.location.href).href;

async function fetchFile(model) {
  const response = await fetch(absolute(model));
  if (!response.ok) throw new Error(`${model} is not there: ${response.status}`);
  return new File([await response.blob()], 'model.safetensors');
}

/** Collects what is written one after the other, as a download would. */
function collector() {
  const pieces = [];
  const stream = new WritableStream({
    write(piece) {
      pieces.push(piece.slice());
    },
  });
  return { stream, digest: () => digest(...pieces) };
}

/** Converts `source` to `sink`; the report is boiled down to what places have in common. */
async function convert({ ArrowQuant }, source, sink, options) {
  const quantizer = await ArrowQuant.create();
  try {
    const events = [];
    const progress = (tensor, fraction) => events.push([tensor, fraction]);
    const { tensors } = await quantizer.quantizeFile(source, sink, { ...options, progress });
    const fractions = events.map(([, fraction]) => fraction);
    return {
      tensors: tensors.length,
      once: new Set(events.map(([tensor]) => tensor)).size === events.length,
      rising: fractions.every((fraction, i) => i === 0 || fraction > fractions[i - 1]),
      last: fractions.at(-1),
    };
  } finally {
    await quantizer.dispose();
  }
}

/** A File, as from a drop or an `<input>`, to a stream. */
export async function fileToStream(arrowquant, { model, options }) {
  const { stream, digest: digestOfAll } = collector();
  const told = await convert(arrowquant, await fetchFile(model), stream, options);
  return { ...told, digest: await digestOfAll() };
}

/** An address, read by ranges, to a stream. */
export async function addressToStream(arrowquant, { model, options }) {
  const { stream, digest: digestOfAll } = collector();
  const told = await convert(arrowquant, absolute(model), stream, options);
  return { ...told, digest: await digestOfAll() };
}

/** A File to a file of the origin's private file system. */
export async function fileToPrivateFile(arrowquant, { model, options }) {
  const folder = await navigator.storage.getDirectory();
  const name = `${crypto.randomUUID()}.${options.type === undefined ? 'safetensors' : 'gguf'}`;
  const handle = await folder.getFileHandle(name, { create: true });
  try {
    const told = await convert(arrowquant, await fetchFile(model), handle, options);
    const bytes = await (await handle.getFile()).arrayBuffer();
    return { ...told, digest: await digest(new Uint8Array(bytes)) };
  } finally {
    await folder.removeEntry(name);
  }
}

/** A folder of the origin's private file system to another one; the digests of its files by name. */
export async function privateFolders(arrowquant, { model, config, options }) {
  const root = await navigator.storage.getDirectory();
  const names = [crypto.randomUUID(), crypto.randomUUID()];
  const [from, to] = await Promise.all(names.map((name) => root.getDirectoryHandle(name, { create: true })));
  try {
    await writeFile(from, 'model.safetensors', await (await fetchFile(model)).arrayBuffer());
    await writeFile(from, 'config.json', config);
    const { tensors } = await convert(arrowquant, from, to, options);
    const files = {};
    for await (const [name, handle] of to.entries()) {
      files[name] = await digest(new Uint8Array(await (await handle.getFile()).arrayBuffer()));
    }
    return { tensors, files };
  } finally {
    for (const name of names) await root.removeEntry(name, { recursive: true });
  }
}

async function writeFile(folder, name, contents) {
  const handle = await folder.getFileHandle(name, { create: true });
  const stream = await handle.createWritable();
  await stream.write(contents);
  await stream.close();
}

/** A file that is no model, and an address where nothing is. */
export async function badFiles({ ArrowQuant }, { model }) {
  const quantizer = await ArrowQuant.create();
  const outcome = (source) =>
    quantizer.quantizeFile(source, collector().stream).then(
      () => 'none',
      (error) => error.code ?? String(error),
    );
  try {
    return [
      await outcome(new Blob(['this is no model'])),
      await outcome(new Blob([])),
      await outcome(absolute(`${model}.not.there`)),
    ];
  } finally {
    await quantizer.dispose();
  }
}
