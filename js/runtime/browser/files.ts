import {
  endpointName,
  isHubText,
  sinkEndpoint,
  sourceEndpoint,
  type ModelSink,
  type ModelSource,
  type WebOptions,
} from '../../endpoints.js';
import type { ByteSink, ByteSource, FileAccess, SinkPlan } from '../../io/byte-io.js';
import { checkAborted, unreadable, unwritable } from '../failures.js';
import { part } from '../../part.js';
import type { openRemote as open } from '../http/remote.js';
import { openWebSink, openWebSource } from './web-files.js';

const PROTOCOLS: readonly string[] = ['http:', 'https:'];

/** URLs, Blobs, handles and streams; there are no paths in a browser. */
export const browserFiles: FileAccess = { openSource, openSink };

async function openSource(source: ModelSource, signal?: AbortSignal, options?: WebOptions): Promise<ByteSource> {
  checkAborted(signal);
  const endpoint = sourceEndpoint(source);
  switch (endpoint?.kind) {
    case 'text':
      return openRemote(addressOf(endpoint.text), { signal, options, followsItself: showsRedirects() });
    case 'url':
      return openRemote(urlOf(endpoint.url.href), { signal, options, followsItself: showsRedirects() });
    case 'blob':
    case 'blobs':
    case 'bytes':
    case 'web-handle':
    case 'web-folder':
      return openWebSource(endpoint, signal);
    default:
      throw unreadable(endpointName(source), 'browsers have no such files');
  }
}

async function openSink(sink: ModelSink, plan: SinkPlan): Promise<ByteSink> {
  const endpoint = sinkEndpoint(sink);
  switch (endpoint?.kind) {
    case 'stream':
    case 'writable-file':
    case 'web-handle':
    case 'web-folder':
      return openWebSink(endpoint, plan);
    default: {
      const detail = 'there is no file system here; pass a FileSystemFileHandle or a WritableStream';
      throw unwritable(endpointName(sink), detail);
    }
  }
}

/** What reads from servers is loaded when there is something to read from one. */
const openRemote: typeof open = async (address, reading) => {
  const remote = await part(() => import('../http/remote.js'));
  return remote.openRemote(address, reading);
};

/** Cloudflare Workers, which have no address of their own, show where redirects lead to, and would hand on tokens. */
const showsRedirects = (): boolean => typeof location === 'undefined';

const addressOf = (text: string): string | URL => (isHubText(text) ? text : urlOf(text));

/** URLs may be relative to the page, or to the script of a worker. */
function urlOf(text: string): URL {
  const own = showsRedirects() ? undefined : location.href;
  const base = typeof document === 'undefined' ? own : document.baseURI;
  const url = URL.canParse(text, base) ? new URL(text, base) : null;
  if (url === null) throw unreadable(text, 'it is no URL; pass a URL, a File or a FileSystemFileHandle');
  if (!PROTOCOLS.includes(url.protocol)) throw unreadable(text, 'only http and https URLs can be read here');
  return url;
}
