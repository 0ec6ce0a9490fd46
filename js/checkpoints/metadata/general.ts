import { text } from '../../containers/gguf/key-values.js';
import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { CONFIG_NAME } from '../../formats/folder/config.js';
import type { Json } from '../../formats/folder/json.js';
import type { Checkpoint } from '../checkpoint.js';
import type { KeyList } from '../key-list.js';
import { sourcesIn, type CardSource } from './card/card-sources.js';
import { isCardList, type CardObject, type CardValue } from './card/card-values.js';
import { CARD_NAME, readFrontMatter } from './card/front-matter.js';
import { modelIdOf } from './model-id.js';
import { PairWriter, type Wrong } from './pair-writer.js';
import type { ParameterCounts } from './parameter-counts.js';
import { setSampling } from './sampling.js';
import { sizeLabel } from './size-label.js';
import { titleOf } from './title.js';

/** What is known of the model, and from what name in which file. */
interface Fact {
  readonly value: CardValue;
  readonly name: string;
}

type Facts = Map<string, Fact>;

/** Facts by the ends of their keys, in the order of the file, with the names that a card may have for them. */
const TEXTS: readonly (readonly [key: string, ...names: readonly string[]])[] = [
  ['name', 'name', 'model_name'],
  ['author', 'author', 'model_author', 'model_creator'],
  ['version', 'version', 'model_version'],
  ['organization', 'organization', 'model_organization'],
  ['finetune', 'finetune', 'model_finetune'],
  ['basename', 'basename', 'model_basename', 'model_type'],
  ['description', 'description', 'model_description'],
  ['size_label', 'size_label', 'model_size_label'],
  ['license', 'license'],
  ['license.name', 'license_name'],
  ['license.link', 'license_link'],
  ['source.url', 'url', 'model_url'],
  ['source.doi', 'doi', 'model_doi'],
  ['source.uuid', 'uuid', 'model_uuid'],
  ['source.repo_url', 'repo_url', 'model_repo_url'],
];

/** What is said of each model or dataset that a model was made of. */
const SOURCE_TEXTS = ['name', 'author', 'version', 'organization', 'description', 'url', 'doi', 'uuid', 'repo_url'];

/**
 * Writes `general.type`, `general.sampling.*` and what model card, config and folder say of the model: name, license, size and
 * so on, each of the first of them that says it. Rejects with `invalid_file` where they are none of YAML and JSON, or have
 * other types than texts.
 */
export async function setGeneral(pairs: KeyList, checkpoint: Checkpoint, counts: ParameterCounts): Promise<void> {
  const { files, options } = checkpoint;
  const writer = new PairWriter(pairs);
  const card = await readFrontMatter(files);
  const facts = factsOf(card);
  const named = await nameInConfig(checkpoint);
  if (named !== null) fillFromId(facts, named, counts.total);
  const folder = folderName(checkpoint);
  if (folder !== null) fillFromId(facts, folder, counts.total);
  if (options.name !== null) facts.set('name', { value: options.name, name: 'name' });
  if (!facts.has('size_label') && counts.total > 0) fill(facts, 'size_label', sizeLabel(counts));
  pairs.set(text('general.type', 'model'));
  await setSampling(writer, checkpoint);
  const source = await files.source(CARD_NAME);
  const wrong: Wrong = (detail) => invalidFile(source ?? { name: checkpoint.name }, detail);
  setTexts(writer, facts, wrong);
  setSources(
    writer,
    'base_model',
    sourcesIn(card, ['base_model', 'base_models', 'base_model_sources'], counts.total),
    wrong,
  );
  setSources(writer, 'dataset', sourcesIn(card, ['datasets', 'dataset', 'dataset_sources'], counts.total), wrong);
  setList(writer, card, 'tags', ['tags', 'pipeline_tag'], wrong);
  setList(writer, card, 'languages', ['languages', 'language'], wrong);
}

/** What a card says; where nothing stands behind a name, the next one counts. */
function factsOf(card: CardObject): Facts {
  const facts: Facts = new Map();
  for (const [key, ...names] of TEXTS) {
    const name = names.find((one) => (card.get(one) ?? null) !== null);
    const value = name === undefined ? null : (card.get(name) ?? null);
    if (name !== undefined && value !== null) facts.set(key, { value, name });
  }
  return facts;
}

function fill(facts: Facts, key: string, value: string | null): void {
  if (value !== null && !facts.has(key)) facts.set(key, { value, name: key });
}

/** What is not known yet, from a model's id or the name of its folder. */
function fillFromId(facts: Facts, id: string, parameters: number): void {
  const { name, organization, basename, finetune, version, sizeLabel: size } = modelIdOf(id, parameters);
  fill(facts, 'name', titleOf(name));
  fill(facts, 'organization', organization === null ? null : titleOf(organization));
  fill(facts, 'basename', basename);
  fill(facts, 'finetune', finetune);
  fill(facts, 'version', version);
  fill(facts, 'size_label', size);
}

/** `_name_or_path` of config.json, unless it is the path of a folder somewhere. */
async function nameInConfig({ files }: Checkpoint): Promise<string | null> {
  const config = await files.object(CONFIG_NAME);
  const value: Json = config?.get('_name_or_path') ?? null;
  if (value === null) return null;
  if (typeof value !== 'string') throw await files.wrong(CONFIG_NAME, `${quoted('_name_or_path')} must be text`);
  return value.split('/').length > 2 ? null : value;
}

/** Names of weights' files that say nothing of the model. */
const GENERIC = /^(?:pytorch_)?model\b/u;

/** Null where nobody knows the folder, and the weights' file is called as all are. */
function folderName({ files, name }: Checkpoint): string | null {
  if (files.folderName !== '') return files.folderName;
  const [file = ''] = name.split(/[\\/]/u).slice(-1);
  const stem = file.replace(/\.safetensors(?:\.index\.json)?$/u, '');
  return stem === '' || GENERIC.test(stem) ? null : stem;
}

function setTexts(writer: PairWriter, facts: Facts, wrong: Wrong): void {
  for (const [key] of TEXTS) {
    const fact = facts.get(key);
    if (fact === undefined) continue;
    const { value, name } = fact;
    const isLicenses = key === 'license' && isCardList(value);
    writer.text(`general.${key}`, isLicenses ? joined(value, name, wrong) : value, name, wrong);
  }
}

/** Several licenses in one text. */
function joined(values: readonly CardValue[], name: string, wrong: Wrong): string {
  if (!values.every((one) => typeof one === 'string')) throw wrong(`${quoted(name)} must be text, or a list of texts`);
  return values.join(',');
}

function setSources(writer: PairWriter, kind: string, sources: readonly CardSource[] | undefined, wrong: Wrong): void {
  if (sources === undefined) return;
  writer.count(`general.${kind}.count`, sources.length);
  for (const [index, source] of sources.entries()) {
    for (const name of SOURCE_TEXTS) {
      writer.text(`general.${kind}.${index}.${name}`, source?.get(name), `${name} of a ${kind}`, wrong);
    }
  }
}

/** All that stands under the names, one after the other. */
function setList(writer: PairWriter, card: CardObject, key: string, names: readonly string[], wrong: Wrong): void {
  const values = names.flatMap((name): readonly CardValue[] => {
    const value = card.get(name) ?? null;
    if (typeof value === 'string') return [value];
    return isCardList(value) ? value : [];
  });
  writer.list(`general.${key}`, values, key, wrong);
}
