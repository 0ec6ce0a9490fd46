import { besides, fileNameOf } from '../../addresses.js';
import { shownUrl } from '../../endpoints.js';
import type { ByteSource } from '../../io/byte-io.js';
import { unreadable } from '../failures.js';
import { HttpFile, type Absence, type FileVersion } from './request.js';
import { HTTP_SETTINGS, type HttpSettings } from './settings.js';
import { unknownVersion } from '../unknown-version.js';

const QUERY_HINT =
  "; the query of the given URL, which may be a signature, is not sent for the model's other files: download all of them";

/** A stretch of the file that small reads are served from. */
interface Block {
  readonly begin: number;
  readonly end: number;
  readonly bytes: Promise<Uint8Array>;
}

/** A file that a server gives parts of (HTTP range requests). */
class HttpSource implements ByteSource {
  readonly name: string;
  readonly fileName: string;
  readonly size: number;
  readonly version: string;
  readonly #url: URL;
  readonly #file: HttpFile;
  readonly #settings: HttpSettings;
  readonly #signal: AbortSignal | undefined;
  #block: Block;

  constructor(
    url: URL,
    file: HttpFile,
    version: FileVersion,
    start: Uint8Array,
    settings: HttpSettings,
    signal?: AbortSignal,
  ) {
    this.name = file.name;
    this.fileName = fileNameOf(url);
    this.size = version.size;
    this.version = version.tag === null ? unknownVersion(version.size) : `${version.size} bytes of ${version.tag}`;
    this.#url = url;
    this.#file = file;
    this.#settings = settings;
    this.#signal = signal;
    this.#block = { begin: 0, end: start.length, bytes: Promise.resolve(start) };
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    const end = position + into.length;
    if (end > this.size) throw unreadable(this.name, 'it ends early');
    if (into.length === 0) return;
    const isInBlock = position >= this.#block.begin && end <= this.#block.end;
    if (!isInBlock && into.length > this.#settings.smallestBlock) {
      await this.#file.read(into, position);
      return;
    }
    if (!isInBlock) this.#block = this.#load(position, into.length);
    const { begin, bytes } = this.#block;
    into.set((await bytes).subarray(position - begin, end - begin));
  }

  /** A server may keep its readers waiting. */
  async readAside(position: number, bytes: number): Promise<Uint8Array> {
    const own = new Uint8Array(bytes);
    await this.read(own, position);
    return own;
  }

  /** Reads the block at `position`: a larger one when reads go on where the last block ends. */
  #load(position: number, needed: number): Block {
    const { smallestBlock, largestBlock } = this.#settings;
    const { begin, end } = this.#block;
    const goesOn = position > begin && position <= end;
    const length = Math.min(this.size - position, goesOn ? Math.min(largestBlock, 2 * (end - begin)) : smallestBlock);
    const bytes = new Uint8Array(Math.max(length, needed));
    const block: Block = {
      begin: position,
      end: position + bytes.length,
      bytes: this.#file.read(bytes, position).then(() => bytes),
    };
    block.bytes.catch(() => {
      if (this.#block === block) this.#block = { begin: 0, end: 0, bytes: Promise.resolve(new Uint8Array()) };
    });
    return block;
  }

  /** Queries, which may be signatures, are not carried over. */
  sibling(name: string): Promise<ByteSource> {
    return openHttp(besides(this.#url, name), this.#signal, this.#settings, {
      missing: 'missing_shard',
      hint: this.#url.search === '' ? '' : QUERY_HINT,
    });
  }

  /** Every answer tells its tag. */
  checkUnchanged(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Opens what an http or https URL leads to; redirects are followed, for every request anew. The server has to answer range
 * requests. `absence` is what to say of a file that is not there, or may not be read.
 */
export async function openHttp(
  url: URL,
  signal?: AbortSignal,
  settings: HttpSettings = HTTP_SETTINGS,
  absence: Absence = { missing: 'unreadable_input', hint: '' },
): Promise<ByteSource> {
  const name = shownUrl(url);
  if (url.username !== '' || url.password !== '') {
    throw unreadable(name, 'a URL with a user name or password in it cannot be fetched');
  }
  const file = new HttpFile(name, url.href, settings, signal, absence);
  const start = new Uint8Array(settings.smallestBlock);
  const { bytes, version } = await file.read(start, 0);
  return new HttpSource(url, file, version, start.subarray(0, bytes), settings, signal);
}
