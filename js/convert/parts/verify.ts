/** Whether the parts of an output belong together, and all of them are there. */

import { QuantizeError } from '../../errors.js';
import type { FileAccess } from '../../io/byte-io.js';
import { MOST_MANIFEST_BYTES, type FileSum, type OutputFiles } from '../../io/part-files.js';
import { openModel } from '../../models/model.js';
import { isManifestName, manifestName, parseManifest, type PartManifest } from './manifest.js';
import { whyDamaged, whyUnreadable } from './part.js';

/** What is wrong with a part. */
export interface PartProblem {
  /** Its number; null for a manifest that says none, or is one of another output under the same name. */
  readonly part: number | null;
  /**
   * `missing`: it is not there, or was not finished. `damaged`: a file is gone, or is not what was written. `foreign`: it was
   * made of another input, with other options, or by another version of the package than the part that was written last.
   */
  readonly kind: 'missing' | 'damaged' | 'foreign';
  /** In words. */
  readonly detail: string;
}

/** What `verifyFiles` finds. */
export interface PartsReport {
  readonly output: string;
  /** Whether all parts are there, and are what was written, of one input and with the same options. */
  readonly whole: boolean;
  /** How many parts there are to be. */
  readonly parts: number;
  /** Numbers of those that are to be written again, rising. */
  readonly rerun: readonly number[];
  readonly problems: readonly PartProblem[];
  /** The files of the parts that are right. */
  readonly files: readonly FileSum[];
  /** Of those files. */
  readonly bytes: number;
}

/** How to verify. */
export interface Verification {
  readonly removeManifests: boolean;
  readonly signal: AbortSignal | undefined;
}

interface Found extends PartManifest {
  readonly path: string;
  readonly changed: number;
}

/** An output that is there, in a folder or beside its name. */
interface Place {
  readonly output: string;
  readonly isFolder: boolean;
  readonly outputs: OutputFiles;
}

/**
 * Looks at the parts of an output, given as to `quantizeFile` or by one of its files: reads all of their bytes, and, when
 * none is missing or damaged, the headers of the model. Rejects with `unreadable_input` where there is no part, and as
 * reading a model does.
 */
export async function verifyFiles(files: FileAccess, given: string, how: Verification): Promise<PartsReport> {
  const { outputs } = files;
  if (outputs === undefined) {
    throw new QuantizeError('invalid_option', { detail: 'only an output that is a path can have parts' });
  }
  const isFolder = await outputs.isFolder(given);
  const output = isFolder ? given : outputOf(given);
  const place = { output, outputs, isFolder };
  const { manifests, problems } = await manifestsOf(place);
  const newest = manifests.reduce<Found | null>((a, b) => (a === null || b.changed > a.changed ? b : a), null);
  if (newest === null) {
    const why = problems.length === 0 ? 'quantize --part has written none beside it' : (problems[0]?.detail ?? '');
    throw new QuantizeError('unreadable_input', { file: output, detail: `no part of it is there: ${why}` });
  }
  const own = manifests.filter((one) => isLike(one, newest));
  const others = manifests.filter((one) => !isLike(one, newest));
  const right: Found[] = [];
  problems.push(...others.map((one) => foreign(one, newest)));
  for (const one of own) {
    const why = await whyNotRight(one, place, how.signal);
    if (why === null) right.push(one);
    else problems.push({ part: one.part, kind: 'damaged', detail: why });
  }
  const missing = missingOf(newest.parts, [...own, ...others.filter(({ parts }) => parts === newest.parts)]);
  const report = reportOf(output, newest.parts, [...problems, ...missing], right);
  if (!report.whole) return report;
  await checkOpens(files, place, right, how.signal);
  if (how.removeManifests) for (const { path } of right) await outputs.remove(path);
  return report;
}

/** The output that a file belongs to by its name, which may be that of a shard, or of an index of them. */
const outputOf = (file: string): string =>
  file.replace(/-\d{5}-of-\d{5}(\.[^./\\]+)$/u, '$1').replace(/(\.safetensors)\.index\.json$/u, '$1');

/** The manifests beside the output, each part once, and what looks like one and is none. */
async function manifestsOf({
  output,
  isFolder,
  outputs,
}: Place): Promise<{ readonly manifests: readonly Found[]; readonly problems: PartProblem[] }> {
  const manifests: Found[] = [];
  const problems: PartProblem[] = [];
  const names = (await outputs.list(output, isFolder)).filter((name) => isFolder || isBeside(name, output));
  for (const name of names.filter(isManifestName).sort()) {
    const path = outputs.pathOf(output, isFolder, name);
    const read = await outputs.readText(path, MOST_MANIFEST_BYTES).catch(whyUnreadable);
    if (read === null) continue;
    if (typeof read === 'string') {
      problems.push({ part: null, kind: 'damaged', detail: read });
      continue;
    }
    const manifest = parseManifest(read.text, name);
    if (manifest !== null) manifests.push({ ...manifest, path, changed: read.changed });
    else problems.push({ part: null, kind: 'damaged', detail: `${name} is no manifest, or one of another version` });
  }
  return { manifests, problems };
}

/** Whether a file is one of those that an output which is no folder has, or the manifest of one. */
function isBeside(name: string, output: string): boolean {
  const [, stem = '', extension = ''] = /([^/\\]*?)(\.[^./\\]*)?$/su.exec(output) ?? [];
  const rest = name.startsWith(stem) ? name.slice(stem.length) : '';
  return rest === manifestName(extension) || /^-\d{5}-of-\d{5}$/u.test(rest.slice(0, -manifestName(extension).length));
}

const isLike = (one: Found, newest: Found): boolean =>
  one.fingerprint === newest.fingerprint && one.parts === newest.parts;

function foreign({ part, parts, files, ...one }: Found, newest: Found): PartProblem {
  const [first] = files;
  const differs = one.package === newest.package ? 'of another input, or with other options,' : 'by another version';
  const than = `than part ${newest.part} of ${newest.parts}, which is newer`;
  const detail = `${first?.name ?? ''} was made ${differs} ${than}${parts === newest.parts ? '' : '; delete it'}`;
  return { part: parts === newest.parts ? part : null, kind: 'foreign', detail };
}

async function whyNotRight(
  { files }: Found,
  { output, isFolder, outputs }: Place,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  for (const file of files) {
    const why = await whyDamaged(file, outputs.pathOf(output, isFolder, file.name), outputs, signal);
    if (why !== null) return why;
  }
  return null;
}

function missingOf(parts: number, there: readonly Found[]): readonly PartProblem[] {
  const numbers = new Set(there.map(({ part }) => part));
  return Array.from({ length: parts }, (_, index) => index + 1)
    .filter((part) => !numbers.has(part))
    .map((part) => ({ part, kind: 'missing', detail: 'it is not there, or was not finished' }));
}

function reportOf(
  output: string,
  parts: number,
  problems: readonly PartProblem[],
  right: readonly Found[],
): PartsReport {
  const files = [...right].sort((a, b) => a.part - b.part).flatMap((one) => one.files);
  const rerun = new Set(problems.flatMap(({ part }) => (part === null ? [] : [part])));
  return {
    ...{ output, whole: problems.length === 0, parts },
    rerun: [...rerun].sort((a, b) => a - b),
    problems: [...problems].sort((a, b) => (a.part ?? Number.MAX_VALUE) - (b.part ?? Number.MAX_VALUE)),
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Rejects where the files, each of them what was written, are no model together. */
async function checkOpens(
  files: FileAccess,
  { output, isFolder, outputs }: Place,
  parts: readonly Found[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const names = parts.find(({ part }) => part === 1)?.files.map(({ name }) => name) ?? [];
  const index = names.find((name) => name.endsWith('.index.json')) ?? names[0] ?? '';
  const source = isFolder ? output : outputs.pathOf(output, isFolder, index);
  const model = await openModel(await files.openSource(source, signal), signal);
  await model.close();
}
