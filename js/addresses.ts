/** What the addresses of files on the web say: looked at only, nothing is fetched. */

const WEB = /^https?:\/\//i;

/** What a name must not have in it to be one of a single file: a decoded URL may bring anything. */
const UNSAFE = /[/\\\p{Cc}]/u;

/** The name of the file at `url`, decoded; as the URL has it where that would be no name. Empty when it ends with a slash. */
export const fileNameOf = ({ pathname }: URL): string => decodedName(pathname.slice(pathname.lastIndexOf('/') + 1));

/** Where hubs, GitHub and GitLab have the files of a repository at a revision. */
const OF_REPOSITORY = /\/([^/]+)(?:\/-)?\/(?:resolve|raw)\/[^/]+\/[^/]*$/;

/** The name of the folder that the file at `url` lies in, decoded, or of its repository. Empty where there is no folder. */
export function folderNameOf({ pathname }: URL): string {
  const [, repository] = OF_REPOSITORY.exec(pathname) ?? [];
  return decodedName(repository ?? pathname.split('/').at(-2) ?? '');
}

/** A part of a path, as it is where it would be no name. */
function decodedName(part: string): string {
  try {
    const name = decodeURIComponent(part);
    return UNSAFE.test(name) || name === '.' || name === '..' ? part : name;
  } catch {
    return part;
  }
}

/** The URL of `name` beside `url`, without its query. `name` is no URL: what it must not have in one is encoded. */
export function besides(url: URL, name: string): URL {
  const encoded = name.split('/').map(encodeURIComponent).join('/');
  return new URL(`./${encoded}`, url);
}

/** Pages about a file, and the address of the file: of GitHub, of GitLab, and of the hubs of models. */
const PAGES: readonly (readonly [page: RegExp, file: string])[] = [
  [/^(https?:\/\/github\.com\/[^/]+\/[^/]+)\/blob\//i, '$1/raw/'],
  [/\/-\/blob\//, '/-/raw/'],
  [/\/blob\//, '/resolve/'],
  [/\/file\/view\//, '/resolve/'],
];

/** The page of a model on the hub, or of its files, and how its model is named. */
const HUB_PAGE = /^https?:\/\/(?:www\.)?huggingface\.co\/([^/]+\/[^/]+)(?:\/tree\/[^/]+)?\/?$/i;

/** Why a page came instead of a file, and what to do. `name` is the path or URL, without its query. */
export function aboutWebPage(name: string): string {
  if (!WEB.test(name)) return 'it is a web page (HTML), not the model; download the file itself';
  const page = PAGES.find(([pattern]) => pattern.test(name));
  if (page !== undefined) return `it is a web page about the file; use ${name.replace(...page)}`;
  if (HUB_PAGE.test(name)) return `it is the web page of a model; use ${name.replace(HUB_PAGE, 'hf:$1')}`;
  return 'it is a web page, perhaps because the server wants a login; give the address of the file itself, or download it';
}

/** What to do about a Git LFS pointer in place of a model. */
export function aboutLfsPointer(name: string): string {
  const pointer = 'it is a Git LFS pointer, not the model';
  if (/^hf:/i.test(name)) {
    return `${pointer}; the hub has not got the file itself: whoever owns the model has to upload it`;
  }
  if (!WEB.test(name)) return `${pointer}; run "git lfs pull" in its folder`;
  return name.includes('/raw/') && !/^https?:\/\/(raw\.)?github/i.test(name)
    ? `${pointer}; use ${name.replace('/raw/', '/resolve/')}`
    : `${pointer}; clone its repository and run "git lfs pull"`;
}
