/** Keeps the site's files, so that the page works without a network after its first visit. */

/** Filled in by the build (vite.config.ts). */
declare const __FILES__: readonly string[];
/** Kept from when they are first asked for. */
declare const __LATER__: readonly string[];
declare const __VERSION__: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const PREFIX = 'arrowquant-demo-';
const CACHE = PREFIX + __VERSION__;

worker.addEventListener('install', (event) => {
  // Responses are kept with their headers: isolation must hold offline too.
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(__FILES__)));
});

worker.addEventListener('activate', (event) => {
  event.waitUntil(dropOldCaches());
  // Not to be waited for: Firefox has to reach every worker of the page for it, and threads that wait for work do not
  // answer. As long as it is not active, whatever the page loads would wait, too.
  void worker.clients.claim();
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(worker.registration.scope)) return;
  event.respondWith(answer(request));
});

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const wanted = request.mode === 'navigate' ? './' : request;
  const kept = await cache.match(wanted, { ignoreSearch: true });
  if (kept !== undefined) return kept;
  const response = await fetch(request);
  if (response.ok && isForLater(request.url)) await cache.put(request, response.clone());
  return response;
}

const isForLater = (url: string): boolean => __LATER__.includes(url.slice(worker.registration.scope.length));

/** Another version's page may still be open only until this one is activated: the browser waits for that. */
async function dropOldCaches(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}
