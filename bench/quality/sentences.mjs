import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const SHORTEST = 40;
const LONGEST = 240;

/** The first `count` sentences of the Markdown files of a folder, by name: plain English about technical things. */
export function sentencesFrom(folder, count) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.md'));
  const prose = files.sort().flatMap((name) => paragraphsOf(readFileSync(path.join(folder, name), 'utf8')));
  const sentences = prose.flatMap((text) => text.split(/(?<=[.!?])\s+(?=[A-Z])/u));
  return [...new Set(sentences)].filter(({ length }) => length >= SHORTEST && length <= LONGEST).slice(0, count);
}

/** Without code, tables and headings. */
const paragraphsOf = (markdown) =>
  markdown
    .replaceAll(/```[\s\S]*?```/gu, '')
    .split(/\n\s*\n/u)
    .filter((text) => /^[A-Z]/u.test(text))
    .map((text) =>
      text
        .replaceAll(/[`*]|\]\([^)]*\)|\[/gu, '')
        .replaceAll(/\s+/gu, ' ')
        .trim(),
    );
