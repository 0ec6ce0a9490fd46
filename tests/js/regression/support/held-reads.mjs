import { open } from 'node:fs/promises';

/** An event that can be waited for. */
export function gate() {
  const made = {};
  made.opened = new Promise((resolve) => (made.open = resolve));
  return made;
}

/** Lets the event loop turn until `condition` holds. */
export async function until(condition) {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * A FileHandle whose reads go through `hold(position, length)` first: what that resolves to happens before the bytes are
 * read, what it rejects with is the read's failure. `reads` are those that have begun, `done` those that have ended.
 */
export async function heldHandle(path, hold = () => Promise.resolve()) {
  const handle = await open(path, 'r');
  const held = {
    fd: handle.fd,
    reads: 0,
    done: 0,
    stat: (options) => handle.stat(options),
    async read(into, offset, length, position) {
      ++held.reads;
      try {
        await hold(position, length);
        return await handle.read(into, offset, length, position);
      } finally {
        ++held.done;
      }
    },
    write: (...about) => handle.write(...about),
    truncate: (length) => handle.truncate(length),
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
  return held;
}
