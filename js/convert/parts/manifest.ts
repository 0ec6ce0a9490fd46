/** What a part of an output says of itself, in a small file of JSON that lies beside it. */

import { fieldsOf } from '../../checks.js';
import { MANIFEST_ENDING, type FileSum } from '../../io/part-files.js';

const VERSION = 1;

/** More cannot be told apart by the names of their files, which have five digits. */
const MOST_PARTS = 99_999;

/** What the parts of one output have in common, and which one this is. */
export interface PartAbout {
  /** From 1 on. */
  readonly part: number;
  /** How many the output has. */
  readonly parts: number;
  /** The same for all parts of one output: a digest of what it is made of, of what becomes of that, and of the package. */
  readonly fingerprint: string;
  /** For people. */
  readonly input: string;
  readonly type: string;
  readonly package: string;
}

export interface PartManifest extends PartAbout {
  /** The first one is that of the weights. */
  readonly files: readonly FileSum[];
}

/** The name of the manifest of the part whose first file is called `file`; without folders. */
export const manifestName = (file: string): string => `${file.replace(/^.*[/\\]/su, '')}${MANIFEST_ENDING}`;

export const isManifestName = (name: string): boolean => name.endsWith(MANIFEST_ENDING);

export const manifestText = (about: PartAbout, files: readonly FileSum[]): string =>
  `${JSON.stringify({ manifest: VERSION, ...about, files }, null, 2)}\n`;

/** What the file called `name` says; null for what is no manifest of ours, or of another version. */
export function parseManifest(text: string, name: string): PartManifest | null {
  const fields = fieldsOf(parsed(text));
  const { manifest, part, parts, fingerprint, input, type, package: made, files } = fields;
  if (manifest !== VERSION || !isCount(part) || !isCount(parts) || part > parts || !Array.isArray(files)) return null;
  const texts = [fingerprint, input, type, made];
  if (!texts.every((one) => typeof one === 'string')) return null;
  const sums = files.flatMap(sumIn);
  const [first] = sums;
  if (first === undefined || sums.length !== files.length || manifestName(first.name) !== name) return null;
  return { part, parts, ...(fields as Pick<PartManifest, Texts>), files: sums };
}

type Texts = 'fingerprint' | 'input' | 'type' | 'package';

function sumIn(value: unknown): readonly FileSum[] {
  const { name, bytes, sha256 } = fieldsOf(value);
  // A name that leads elsewhere is none of an output's.
  if (typeof name !== 'string' || /^\.{0,2}$|[/\\\0]/u.test(name)) return [];
  return typeof bytes === 'number' && typeof sha256 === 'string' ? [{ name, bytes, sha256 }] : [];
}

const isCount = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) > 0 && Number(value) <= MOST_PARTS;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
