import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** The pages under `root`, as paths from it. */
export const pagesUnder = (root) =>
  readdirSync(root, { recursive: true })
    .filter((name) => name.endsWith('.html'))
    .sort();

/** Addresses within `root` that its pages lead to and where nothing is: `page: address`, each of them once. */
export function brokenLinks(root) {
  const anchors = new Map();
  const anchorsOf = (file) => {
    if (!anchors.has(file)) anchors.set(file, anchorsIn(readFileSync(file, 'utf8')));
    return anchors.get(file);
  };
  const broken = pagesUnder(root).flatMap((page) => {
    const text = readFileSync(path.join(root, page), 'utf8');
    const addresses = [...text.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, address]) =>
      address.replaceAll('&amp;', '&'),
    );
    return addresses
      .filter((address) => !leadsSomewhere(root, page, address, anchorsOf))
      .map((one) => `${page}: ${one}`);
  });
  return [...new Set(broken)];
}

function leadsSomewhere(root, page, address, anchorsOf) {
  const base = new URL(page.split(path.sep).map(encodeURIComponent).join('/'), 'http://site/');
  const { host, protocol, pathname, hash } = new URL(address, base);
  if (protocol !== 'http:' || host !== 'site') return /^(https?|data|mailto):$/.test(protocol);
  const named = path.join(root, decodeURIComponent(pathname));
  const file = existsSync(named) && statSync(named).isDirectory() ? path.join(named, 'index.html') : named;
  if (!existsSync(file)) return false;
  // TypeDoc's own script makes the anchors of drawings that many pages show.
  if (hash === '' || !file.endsWith('.html')) return true;
  return anchorsOf(file).has(decodeURIComponent(hash.slice(1)));
}

const anchorsIn = (text) => new Set([...text.matchAll(/\s(?:id|name)="([^"]*)"/g)].map(([, name]) => name));
