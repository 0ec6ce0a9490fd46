import { readdirSync, readFileSync } from 'node:fs';

/**
 * The Debian mirror that this machine's own apt sources name.
 *
 * @param {string} fallback for a machine that names none (Ubuntu)
 */
export function debianMirror(fallback) {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list', ...list(folder).map((name) => `${folder}/${name}`)];
  for (const file of files) {
    const text = read(file);
    const uris = file.endsWith('.sources') ? urisOfStanzas(text) : urisOfLines(text);
    const mirror = uris.find(isMainArchive);
    if (mirror !== undefined) return mirror.replace(/\/+$/, '');
  }
  return fallback;
}

/** URIs in the one-line format: `deb [options] URI suite component…`. */
export function urisOfLines(text) {
  const lines = text.split('\n').map((line) => /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/.exec(line));
  return lines.filter((match) => match !== null).map((match) => match[1]);
}

/** URIs in the deb822 format: stanzas of `Key: value` lines; `Enabled: no` and source-only ones are left out. */
export function urisOfStanzas(text) {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(stanza)?.[1].trim() ?? '';
    const isBinary = field('Types').split(/\s+/).includes('deb');
    return isBinary && field('Enabled').toLowerCase() !== 'no' ? field('URIs').split(/\s+/) : [];
  });
}

// The security archive lies beside the main one under another name, and Ubuntu's and third parties' have other names yet.
function isMainArchive(uri) {
  return /\/debian(\.list)?\/*$/.test(uri);
}

function list(folder) {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
