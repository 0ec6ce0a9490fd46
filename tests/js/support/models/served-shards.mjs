/** Shards on a real server: what opens the others is what opens them in use, with names that travel as parts of URLs. */
import { openHttp } from '../internals.mjs';
import { answer, useServers } from '../../runtime/support/server.mjs';

/**
 * `serve(files)` resolves to a function that opens one of `files`, bytes by name. What it resolves to is a source, and has
 * `open`: itself and all siblings that are not closed.
 */
export function useServedShards() {
  const servers = useServers();
  return async (files) => {
    const server = await servers.serve((request, response) => {
      const bytes = files[decodeURIComponent(new URL(request.url, 'http://localhost').pathname.replace(/^.*\//, ''))];
      if (bytes === undefined) response.writeHead(404).end();
      else answer(request, response, bytes);
    });
    return async (name) =>
      watched(await openHttp(new URL(server.url(`/folder/${encodeURIComponent(name)}`))), new Set());
  };
}

/** The source, with a set of those that are open. */
function watched(source, open) {
  const watching = {
    ...source,
    open,
    read: (into, position) => source.read(into, position),
    sibling: async (name) => watched(await source.sibling(name), open),
    close: async () => {
      open.delete(watching);
      await source.close();
    },
  };
  open.add(watching);
  return watching;
}
