import { decodeJson } from '../../../containers/json.js';
import { part } from '../../../part.js';
import type { CheckpointFiles } from '../../files.js';
import { isCardObject, type CardObject } from './card-values.js';
import { linesOf } from '../python-words.js';

export const CARD_NAME = 'README.md';

/** The largest published ones have some hundreds of kilobytes, of results. */
const MOST_CHARACTERS = 2 * 2 ** 20;

/**
 * What the model card says about itself before its text; empty where there is no card, or nothing such in it. Rejects with
 * `invalid_file` where YAML cannot be read.
 */
export async function readFrontMatter(files: CheckpointFiles): Promise<CardObject> {
  const yaml = frontMatterIn(await cardText(files));
  if (yaml === null) return new Map();
  if (yaml.length > MOST_CHARACTERS)
    throw await files.wrong(CARD_NAME, 'what stands between its first two --- is too long');
  const { readYaml } = await part(() => import('./yaml.js'));
  try {
    const value = readYaml(yaml);
    return isCardObject(value) ? value : new Map();
  } catch (cause) {
    const detail = cause instanceof SyntaxError ? cause.message : 'it cannot be read';
    throw await files.wrong(
      CARD_NAME,
      `what stands between its first two --- is no YAML: ${detail}; mend it, or take it out`,
    );
  }
}

/** Empty without a card, and for one that a byte order mark begins: that is no line of three dashes. */
async function cardText(files: CheckpointFiles): Promise<string> {
  const source = await files.source(CARD_NAME);
  const bytes = await files.bytes(CARD_NAME);
  if (source === null || bytes === null || hasByteOrderMark(bytes)) return '';
  return decodeJson(bytes, source, CARD_NAME);
}

export const hasByteOrderMark = (bytes: Uint8Array): boolean =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;

/** The lines between the first one, which must be three dashes, and the next such line, as llama.cpp's converter mends them. */
function frontMatterIn(text: string): string | null {
  if (!text.startsWith('---')) return null;
  const [first, ...lines] = linesOf(text);
  if (first !== '---') return null;
  const end = lines.indexOf('---');
  const yaml = `${(end < 0 ? lines : lines.slice(0, end)).join('\n')}\n`;
  // Norwegian is no `false`, and YAML knows no tabs.
  return yaml.replaceAll('- no\n', '- "no"\n').replaceAll('\t', '  ');
}
