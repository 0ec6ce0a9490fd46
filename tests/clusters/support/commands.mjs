import { readFileSync } from 'node:fs';
import { inProject } from '../../../tools/lib/paths.mjs';

/** The commands that an example's README shows, a text for each block. */
export function commandsOf(example) {
  const text = readFileSync(inProject('examples', example, 'README.md'), 'utf8');
  return [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, commands]) => commands);
}
