import type { IndexedEntry, IndexStyle, OutputFile } from '../container.js';
import { byCodePoint } from '../code-points.js';
import { stemOf } from '../shard-names.js';
import { pythonText } from '../python-text.js';
import { encodeUtf8 } from '../utf8.js';
import type { Item } from './order.js';

/** A shard, and what lies in it. */
interface IndexedFile {
  readonly name: string;
  readonly items: readonly Item[];
}

/** What the index of an output's shards is called. */
export const indexName = (file: string): string => `${stemOf(file, '.safetensors')}.safetensors.index.json`;

/** The index of shards that lie in the same folder. */
export function indexOf(name: string, shards: readonly IndexedFile[], style: IndexStyle = USUAL): OutputFile {
  const entries = shards.flatMap((shard) => {
    const file = shard.name.replace(/^.*[/\\]/su, '');
    return shard.items.map((item): IndexedEntry => ({ name: item.name, bytes: item.bytes, file }));
  });
  const header = encodeUtf8(style.textOf(entries.sort((a, b) => byCodePoint(a.name, b.name))));
  return { name, header, fileBytes: header.length };
}

/**
 * To the byte as Python's `json.dumps(index, indent=2, sort_keys=True)` has it, with which the libraries of Hugging Face write
 * theirs.
 */
const USUAL: IndexStyle = {
  isAlwaysWritten: false,
  textOf: (entries) => {
    const totalBytes = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    const lines = entries.map(({ name, file }) => `    ${pythonText(name)}: ${pythonText(file)}`);
    const metadata = `  "metadata": {\n    "total_size": ${totalBytes}\n  }`;
    return `{\n${metadata},\n  "weight_map": {\n${lines.join(',\n')}\n  }\n}\n`;
  },
};
