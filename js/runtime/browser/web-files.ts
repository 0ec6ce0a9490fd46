import type { SinkEndpoint, SourceEndpoint } from '../../endpoints.js';
import type { ByteSink, ByteSource, SinkPlan } from '../../io/byte-io.js';
import { BlobSource, openBlobs, openWebHandle } from '../sources/blob-source.js';
import { BytesSource } from '../sources/bytes-source.js';
import { openWebFolder } from '../sources/web-folder.js';
import { openStream } from '../sinks/stream-sink.js';
import { openWebFolderSink } from '../sinks/web-folder-sink.js';
import { openWebHandleSink, openWritableFile } from '../sinks/writable-file-sink.js';

/** What is opened in the same way everywhere. */
type WebSource = Extract<SourceEndpoint, { readonly kind: 'blob' | 'blobs' | 'bytes' | 'web-handle' | 'web-folder' }>;
type WebSink = Extract<SinkEndpoint, { readonly kind: 'stream' | 'writable-file' | 'web-handle' | 'web-folder' }>;

// Async, so that what throws rejects.
export async function openWebSource(endpoint: WebSource, signal?: AbortSignal): Promise<ByteSource> {
  switch (endpoint.kind) {
    case 'blob':
      return new BlobSource(endpoint.blob, { signal });
    case 'bytes':
      return new BytesSource(endpoint.bytes);
    case 'blobs':
      return openBlobs(endpoint.blobs, signal);
    case 'web-handle':
      return openWebHandle(endpoint.handle, signal);
    case 'web-folder':
      return openWebFolder(endpoint.folder, signal);
  }
}

export async function openWebSink(endpoint: WebSink, plan: SinkPlan): Promise<ByteSink> {
  switch (endpoint.kind) {
    case 'stream':
      return openStream(endpoint.stream, plan);
    case 'writable-file':
      return openWritableFile(endpoint.file, plan);
    case 'web-handle':
      return openWebHandleSink(endpoint.handle, plan);
    case 'web-folder':
      return openWebFolderSink(endpoint.folder, plan);
  }
}
