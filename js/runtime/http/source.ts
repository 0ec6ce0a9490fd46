import { besides, fileNameOf, folderNameOf } from '../../addresses.js';
import { shownUrl, type WebOptions } from '../../endpoints.js';
import type { ByteSource } from '../../io/byte-io.js';
import { unreadable } from '../failures.js';
import { unknownVersion } from '../unknown-version.js';
import { accessOf, checkOneServer } from './access.js';
import { Client } from './client.js';
import { HttpFile, type Absence, type FileContext, type FileVersion } from './request.js';
import { HTTP_SETTINGS, type HttpSettings } from './settings.js';

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
  readonly folderName: string;
  readonly size: number;
  readonly version: string;
  readonly tag: string | null;
  readonly #address: WebAddress;
  readonly #file: HttpFile;
  readonly #context: FileContext;
  #block: Block;

  constructor(address: WebAddress, file: HttpFile, version: FileVersion, start: Uint8Array, context: FileContext) {
    this.name = file.name;
    this.fileName = fileNameOf(address.url);
    this.folderName = address.folders?.nameOf(address.url) ?? folderNameOf(address.url);
    this.size = version.size;
    this.tag = version.tag;
    this.version = version.tag === null ? unknownVersion(version.size) : `${version.size} bytes of ${version.tag}`;
    this.#address = address;
    this.#file = file;
    this.#context = context;
    this.#block = { begin: 0, end: start.length, bytes: Promise.resolve(start) };
  }

  get downloadedBytes(): number {
    return this.#file.downloadedBytes;
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    this.#checkEnd(position, into.length);
    if (into.length === 0) return;
    const isInBlock = this.#isInBlock(position, into.length);
    if (!isInBlock && into.length > this.#context.settings.smallestBlock) {
      await this.#file.read(into, position);
      return;
    }
    if (!isInBlock) this.#block = this.#load(position, into.length);
    const { begin, bytes } = this.#block;
    into.set((await bytes).subarray(position - begin, position - begin + into.length));
  }

  /** A server may keep its readers waiting. */
  async readAside(position: number, bytes: number): Promise<Uint8Array> {
    const own = new Uint8Array(bytes);
    await this.read(own, position);
    return own;
  }

  async readAlone(position: number, bytes: number): Promise<Uint8Array> {
    if (bytes === 0 || this.#isInBlock(position, bytes)) return this.readAside(position, bytes);
    this.#checkEnd(position, bytes);
    const own = new Uint8Array(bytes);
    await this.#file.read(own, position);
    return own;
  }

  #isInBlock(position: number, bytes: number): boolean {
    return position >= this.#block.begin && position + bytes <= this.#block.end;
  }

  #checkEnd(position: number, bytes: number): void {
    if (position + bytes > this.size) throw unreadable(this.name, 'it ends early');
  }

  /** Reads the block at `position`: a larger one when reads go on where the last block ends. */
  #load(position: number, needed: number): Block {
    const { smallestBlock, largestBlock } = this.#context.settings;
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
    const { url } = this.#address;
    const beside = { ...this.#address, url: besides(url, name) };
    return openAddress(beside, this.#context, {
      missing: 'missing_shard',
      hint: url.search === '' ? '' : QUERY_HINT,
    });
  }

  async list(folder: string): Promise<readonly string[]> {
    const { url, folders } = this.#address;
    return (await folders?.list(url, folder)) ?? [];
  }

  /** Every answer tells its tag. */
  checkUnchanged(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Where a file is, and how errors call it and what lies beside it. */
export interface WebAddress {
  readonly url: URL;
  readonly nameOf: (url: URL) => string;
  readonly folders?: WebFolders;
}

/** What is known of folders on a server that does more than to hand out files. */
export interface WebFolders {
  /** The name of the folder of the file at `url`. */
  nameOf(url: URL): string;
  /** The names of the files in its folder, or in one beside it when `folder` is not empty. */
  list(url: URL, folder: string): Promise<readonly string[]>;
}

/** `absence` is what to say of a file that is not there, or may not be read. */
export async function openAddress(
  address: WebAddress,
  context: FileContext,
  absence: Absence = { missing: 'unreadable_input', hint: '' },
): Promise<ByteSource> {
  const { url, nameOf } = address;
  const name = nameOf(url);
  if (url.username !== '' || url.password !== '') {
    throw unreadable(name, 'a URL with a user name or password in it cannot be fetched');
  }
  const file = new HttpFile(name, url, context, absence);
  const start = new Uint8Array(context.settings.smallestBlock);
  const { bytes, version } = await file.read(start, 0);
  return new HttpSource(address, file, version, start.subarray(0, bytes), context);
}

/** How to read what is on servers. */
export interface WebReading {
  readonly signal?: AbortSignal | undefined;
  readonly options?: WebOptions | undefined;
  /** As that of a client; default true. */
  readonly followsItself?: boolean;
  readonly settings?: HttpSettings;
}

/** What the requests for files of the server of `url` have in common. */
export function contextOf(
  url: URL,
  { signal, options = {}, followsItself = true, settings = HTTP_SETTINGS }: WebReading,
): FileContext {
  checkOneServer(options, url);
  return { client: new Client(url, accessOf(options), followsItself), settings, signal };
}

/** Opens what an http or https URL leads to; redirects are followed. The server has to answer range requests. */
export async function openHttp(url: URL, reading: WebReading = {}): Promise<ByteSource> {
  return openAddress({ url, nameOf: shownUrl }, contextOf(url, reading));
}
