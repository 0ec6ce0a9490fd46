import { fileURLToPath } from 'node:url';
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
import { checkAborted, readFailure, unreadable, unwritable } from '../failures.js';
import { openRemote } from '../http/remote.js';
import type { WebReading } from '../http/source.js';
import { openNodeHandleSink } from './handle-sink.js';
import { openFolderSink } from './folder-sink.js';
import { openModelPath } from './folder-source.js';
import { openHandle } from './source.js';
import { outputFiles } from './part-files.js';
import { openPathSink } from './path-sink.js';
import { openWebSink, openWebSource } from '../browser/web-files.js';

export { removeUnfinished } from '../resume/unfinished.js';

/** Everything that models can be read from and written to in Node. */
export const nodeFiles: FileAccess = { openSource, openSink, outputs: outputFiles };

async function openSource(source: ModelSource, signal?: AbortSignal, options?: WebOptions): Promise<ByteSource> {
  checkAborted(signal);
  const endpoint = sourceEndpoint(source);
  switch (endpoint?.kind) {
    case 'text':
      if (isHubText(endpoint.text)) return openRemote(endpoint.text, { signal, options });
      return /^(https?|file):\/\//i.test(endpoint.text)
        ? openUrl(endpoint.text, { signal, options })
        : openModelPath(endpoint.text);
    case 'url':
      return openUrl(endpoint.url.href, { signal, options });
    case 'node-handle':
      return openHandle(endpoint.handle);
    case 'blob':
    case 'blobs':
    case 'bytes':
    case 'web-handle':
    case 'web-folder':
      return openWebSource(endpoint, signal);
    default:
      throw unreadable(endpointName(source), 'it is nothing that can be read');
  }
}

function openUrl(text: string, web: WebReading): Promise<ByteSource> {
  let url: URL;
  try {
    // Also of URLs of another realm, which some functions of Node refuse.
    url = new URL(text);
    if (url.protocol === 'file:') return openModelPath(fileURLToPath(url));
  } catch (error) {
    throw readFailure(text, error);
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return openRemote(url, web);
  throw unreadable(text, 'only http, https and file URLs can be read');
}

async function openSink(sink: ModelSink, plan: SinkPlan): Promise<ByteSink> {
  const endpoint = sinkEndpoint(sink);
  switch (endpoint?.kind) {
    case 'text':
      return plan.isFolder === true ? openFolderSink(endpoint.text, plan) : openPathSink(endpoint.text, plan);
    case 'node-handle':
      return openNodeHandleSink(endpoint.handle, plan);
    case 'stream':
    case 'writable-file':
    case 'web-handle':
    case 'web-folder':
      return openWebSink(endpoint, plan);
    default:
      throw unwritable(endpointName(sink), 'it is nothing that can be written to');
  }
}
