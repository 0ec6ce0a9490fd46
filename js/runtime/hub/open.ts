import { usualModel } from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import { unreadable } from '../failures.js';
import { accessOf } from '../http/access.js';
import { contextOf, openAddress, type WebAddress, type WebReading } from '../http/source.js';
import { fileUrl, hubAddress, type HubAddress } from './address.js';
import { isModelFile, listed, modelsIn, nearFiles, shownName } from './choose.js';
import { commitOf, filesOf, type FileList } from './repository.js';

/** Opens a model on a hub: `hf:organization/model[@revision][/file]`. All that is read of it is of one commit. */
export async function openHub(text: string, reading: WebReading): Promise<ByteSource> {
  const address = hubAddress(text);
  const { hubUrl } = accessOf(reading.options ?? {});
  const context = contextOf(new URL(hubUrl), reading);
  const { model, revision, path } = address;
  const repository = { name: text, model, revision, hubUrl, context };
  const commit = await commitOf(repository);
  let asked: Promise<FileList> | undefined;
  const files: Listing = () => (asked ??= filesOf({ ...repository, revision: commit }));
  const file = isModelFile(path) ? path : await chosen(address, files, text);
  const where = addressOf(address, fileUrl(hubUrl, model, commit, file), files);
  try {
    return await openAddress(where, context, { missing: 'missing_shard', hint: '' });
  } catch (error) {
    if (!(error instanceof QuantizeError) || error.code !== 'missing_shard') throw error;
    throw notThere(file, await files(), text);
  }
}

/** The files of the model at the commit that is read; the hub is asked once. */
type Listing = () => Promise<FileList>;

/** Named after what the caller wrote: which commit it is, is told by the files' tags. */
function addressOf({ model, repository }: HubAddress, url: URL, files: Listing): WebAddress {
  const begin = url.pathname.indexOf(`/${model}/resolve/`) + `/${model}/resolve/`.length;
  const pathOf = ({ pathname }: URL): string => decodeURIComponent(pathname.slice(pathname.indexOf('/', begin) + 1));
  return {
    url,
    nameOf: (one) => `${repository}/${pathOf(one)}`,
    folders: {
      nameOf: (one) => `${model}/${pathOf(one)}`.split('/').at(-2) ?? '',
      list: async (one, folder) => {
        const path = pathOf(one);
        const place = path.slice(0, path.lastIndexOf('/') + 1) + (folder === '' ? '' : `${folder}/`);
        return namesIn((await files()).paths, place);
      },
    },
  };
}

/** The names of the files in a folder of the model, whose path is empty or ends with a slash. */
const namesIn = (paths: readonly string[], place: string): readonly string[] =>
  paths
    .filter((path) => path.startsWith(place))
    .map((path) => path.slice(place.length))
    .filter((name) => !name.includes('/'));

/** The one model in the repository, or in the folder that was named; as in any folder, one of a usual name comes first. */
async function chosen({ path }: HubAddress, listing: Listing, text: string): Promise<string> {
  const files = await listing();
  const { paths, isWhole } = files;
  const place = path === '' ? '' : `${path}/`;
  const usual = usualModel(namesIn(paths, place));
  if (usual !== undefined) return place + usual;
  const models = modelsIn(paths, path);
  const [first] = models;
  if (first !== undefined && models.length === 1 && isWhole) return first;
  if (first !== undefined) {
    const known = isWhole ? `it has ${models.length} models` : `there are models among its ${partial(files)}`;
    throw unreadable(text, `${known}, write which one behind it: ${listed(models)}`);
  }
  if (paths.includes(path))
    throw unreadable(text, 'only safetensors, GGUF and PyTorch files, and the index of shards, can be read');
  if (path !== '') throw notThere(path, files, text);
  const detail = isWhole
    ? 'it has no safetensors, GGUF or PyTorch file; its weights may be of another format, which has to be converted first'
    : `there is no model among its ${partial(files)}; write behind it which file is meant`;
  throw unreadable(text, detail);
}

function notThere(path: string, files: FileList, text: string): QuantizeError {
  const models = modelsIn(files.paths, '');
  const near = nearFiles(path, files.paths).map(shownName);
  const hint =
    near.length > 0
      ? `did you mean ${near.join(' or ')}?`
      : `there is ${models.length === 0 ? 'no model' : listed(models)}${files.isWhole ? '' : ` among its ${partial(files)}`}`;
  return unreadable(text, `the model has no such file; ${hint}`);
}

/** `first 20000 files`. */
const partial = ({ paths }: FileList): string => `first ${paths.length} files`;
