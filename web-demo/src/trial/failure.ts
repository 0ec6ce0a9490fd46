/** Why a file cannot be tried in the page, in a sentence. */

import * as format from '../format';

/** Its program is a part of the site that is loaded when it is needed. */
export const NOT_THERE =
  'llama.cpp itself cannot be loaded from the site of this page: once there is a connection, try it again.';

/** What a browser has for it. */
export interface Machine {
  /** WebAssembly whose memory has 64-bit addresses, which wllama is built for. */
  readonly hasMemory64: boolean;
}

/** All that wllama's memory can become: 65,536 pages. */
const MEMORY = 2 ** 32;
/** What llama.cpp needs besides the weights, at least. */
const BESIDES = 2 ** 28;

/** What speaks against a file of so many bytes before anything of it is loaded; null when nothing does. */
export function obstacleTo(bytes: number, { hasMemory64 }: Machine): string | null {
  if (!hasMemory64) {
    return "This browser's WebAssembly has no memory with 64-bit addresses, which llama.cpp needs here: try the file in a current Chrome, Edge or Firefox.";
  }
  if (bytes <= MEMORY - BESIDES) return null;
  return `The file has ${format.bytes(bytes)}, and in a page llama.cpp has ${format.bytes(MEMORY)} of memory for all that it needs: open it in a program outside of the browser.`;
}

/** What became of an attempt to load a file, by the complaints in llama.cpp's log and by what wllama threw. */
export function loadFailure(lines: readonly string[], error: unknown): string {
  const thrown = error instanceof Error ? error.message : String(error);
  const all = [...lines, thrown];
  const [, architecture] = firstMatch(all, /unknown model architecture: '([^']*)'/) ?? [];
  if (architecture !== undefined) {
    return `The llama.cpp of this page does not know the architecture ${architecture}: open the file in a newer one.`;
  }
  if (firstMatch(all, /alloc|out of memory|OOM\b/i) !== undefined) {
    return 'The browser has not enough memory for the model: close other pages, or open the file in a program outside of the browser.';
  }
  const [, reason = thrown] = firstMatch(all, /error loading model: (.*)/) ?? [];
  return `llama.cpp does not open the file: ${reason.trim().replace(/\.$/, '')}.`;
}

/** Why a model that was loaded stopped in the middle of an answer. */
export function answerFailure(lines: readonly string[], error: unknown): string {
  const thrown = error instanceof Error ? error.message : String(error);
  if (firstMatch([...lines, thrown], /invalid UTF-8/) !== undefined) {
    return 'The model wrote bytes that are no text, which llama.cpp does not survive here: press Try it to load it again.';
  }
  const reason = (lines[0] ?? thrown).trim().replace(/\.$/, '');
  return `llama.cpp has failed, and Try it loads the model again: ${reason}.`;
}

const firstMatch = (lines: readonly string[], pattern: RegExp): RegExpExecArray | undefined =>
  lines.map((line) => pattern.exec(line)).find((match) => match !== null) ?? undefined;
