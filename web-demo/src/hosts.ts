/** Whom the page may read from: its own site, and what its build has named (tools/demo.mjs). */

/** Filled in by the build (vite.config.ts). */
declare const __HOSTS__: readonly string[];
declare const __HUB__: string;

export const HOSTS = __HOSTS__;

/** The hub that `hf:` means. */
export const HUB_URL = __HUB__;

const HUB_NAME = /^hf:/i;

/** The other names of the hub that pages are usually built for. */
const HUB_HOSTS: readonly string[] = ['huggingface.co', 'www.huggingface.co', 'hf.co'];

/** The page of a model on a hub, of a folder or of a file of it. */
const HUB_PAGE =
  /^\/((?:(?:datasets|spaces)\/)?[^/@]+\/[^/@]+)(?:\/(?:tree|blob)\/((?:refs\/(?:pr|convert)\/)?[^/]+)(?:\/(.+?))?)?\/*$/;

/** `organization/model`, as the hub's own button copies it; files of this site have an ending. */
const BARE_NAME = /^\w[\w.-]*\/\w[\w.-]*(?<!\.(?:safetensors|gguf|onnx|bin|ckpt|pth?|json))$/i;

/** The model that an address names, or whose page on the hub it is, as `hf:` has it; other addresses as they are. */
export function named(given: string): string {
  const isBarePage = HUB_HOSTS.some((host) => given.toLowerCase().startsWith(`${host}/`));
  if (!isBarePage) return BARE_NAME.test(given) ? `hf:${given}` : namedByPage(given);
  const name = namedByPage(`https://${given}`);
  return HUB_NAME.test(name) ? name : given;
}

function namedByPage(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : null;
  const hub = new URL(HUB_URL);
  const isUsual = hub.host === 'huggingface.co' && /^https?:$/.test(url?.protocol ?? '');
  const isHub = url?.origin === hub.origin || (isUsual && HUB_HOSTS.includes(url?.host ?? ''));
  if (url === null || !isHub || url.username !== '' || url.password !== '') return address;
  const base = hub.pathname.replace(/\/+$/, '');
  const place = url.pathname.startsWith(base) ? url.pathname.slice(base.length) : '';
  const [, model, revision = 'main', path] = HUB_PAGE.exec(place) ?? [];
  if (model === undefined) return address;
  const file = path === undefined ? '' : `/${path.split('/').map(decodedName).join('/')}`;
  return `hf:${model}${revision === 'main' ? '' : `@${revision}`}${file}`;
}

/** Where requests for an address go to first; null for what is no address. */
function originOf(address: string): URL | null {
  if (HUB_NAME.test(address)) return new URL(HUB_URL);
  return URL.canParse(address, document.baseURI) ? new URL(address, document.baseURI) : null;
}

/** Whether one of the policy's hosts, which may begin with `*.` and end with `:*`, is that of the URL. As in policies, http stands for https, too. */
function covers(host: string, { protocol, hostname, port }: URL): boolean {
  const [, scheme = '', any, name = '', wanted = ''] = /^(https?:)\/\/(\*\.)?([^:/]+)(?::(.+))?$/i.exec(host) ?? [];
  const isHost = any === undefined ? hostname === name : hostname.endsWith(`.${name}`);
  const isScheme = protocol === scheme || (scheme === 'http:' && protocol === 'https:');
  return isScheme && isHost && (wanted === '*' || wanted === port);
}

/** Why an address cannot be read, in a sentence; null when nothing speaks against it. */
export function obstacleTo(address: string): string | null {
  const url = originOf(address);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return 'It is no address: give an http or https URL, or hf:organization/model.';
  }
  if (url.origin === location.origin || HOSTS.some((host) => covers(host, url))) return null;
  return `This page may not read from ${url.origin}: whoever builds it has to name that, with ${buildCommand([url.origin])}.`;
}

/** How to build a page that may read from these hosts. */
export const buildCommand = (hosts: readonly string[]): string =>
  `npm run demo -- ${hosts.map((host) => `--connect ${host}`).join(' ')}`;

/** The address as the worker can read it, which lies elsewhere than the page. */
export const absolute = (address: string): string =>
  HUB_NAME.test(address) ? address : new URL(address, document.baseURI).href;

/** What the model at an address is called: as its file, or on a hub as the model. */
export function nameOf(address: string): string {
  if (HUB_NAME.test(address)) {
    const [, model = address, file = ''] =
      /^hf:(?:\/\/)?[^/]+\/([^/@]+)(?:@(?:refs\/(?:pr|convert)\/[^/]+|[^/]+))?(?:\/(.*))?$/i.exec(address) ?? [];
    return file.split('/').at(-1) || model;
  }
  const { host, pathname } = new URL(address, document.baseURI);
  return decodedName(pathname.split('/').at(-1) ?? '') || `${host}${pathname}`;
}

/** As the package names files: what would be no name stays encoded. */
function decodedName(last: string): string {
  try {
    const name = decodeURIComponent(last);
    return /[/\\\p{Cc}]/u.test(name) || name === '.' || name === '..' ? last : name;
  } catch {
    return last;
  }
}

/** An address as it may be shown: its query may be a signature. */
export const withoutQuery = (address: string): string => address.replace(/[?#].*$/s, '');
