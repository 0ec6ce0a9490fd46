import { readFileSync } from 'node:fs';

const kDocument = new URL('../../../docs/bundlers.md', import.meta.url);
/** The comment that a block begins with when it is a file. */
const kName = /^(?:\/\/|<!--) (\S+\.[a-z]+)(?: -->)?$/;

/**
 * What docs/bundlers.md tells people to write and to type, for tests to do just that.
 *
 * @param {string} heading
 * @returns {{files: Record<string, string>, commands: string}} of the section under that heading: blocks that
 *   begin with a comment that is a file's name, or have one behind their language; and those of the language `sh`
 */
export function recipe(heading) {
  const sections = readFileSync(kDocument, 'utf8').split(/^## /m);
  const section = sections.find((text) => text.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/bundlers.md has no heading "${heading}"`);
  const blocks = [...section.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(([, language, title, text]) => ({
    language,
    text,
    name: title ?? kName.exec(text.split('\n', 1)[0])?.[1],
  }));
  return {
    files: Object.fromEntries(blocks.filter(({ name }) => name !== undefined).map(({ name, text }) => [name, text])),
    commands: blocks
      .filter(({ language }) => language === 'sh')
      .map(({ text }) => text)
      .join(''),
  };
}
