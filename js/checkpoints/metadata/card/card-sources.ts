import { isCardList, isCardObject, type CardObject, type CardValue } from './card-values.js';
import { modelIdOf } from '../model-id.js';
import { titleOf } from '../title.js';

/** A model or a dataset that a card names; null for what is neither a name nor an object. */
export type CardSource = CardObject | null;

/**
 * What a card was made of, under the first of the names that it has, even where nothing stands there; undefined where it has
 * none. `parameters` is the model's own number of them.
 */
export function sourcesIn(
  card: CardObject,
  names: readonly string[],
  parameters: number,
): readonly CardSource[] | undefined {
  const name = names.find((one) => card.has(one));
  if (name === undefined) return undefined;
  const value = card.get(name) ?? null;
  if (typeof value === 'string') return [namedSource(value, parameters)];
  return isCardList(value) ? value.map((one) => sourceOf(one, parameters)) : [];
}

function sourceOf(value: CardValue, parameters: number): CardSource {
  if (typeof value === 'string') return namedSource(value, parameters);
  return isCardObject(value) ? value : null;
}

const HUB = 'https://huggingface.co/';

/** With the converter's point that stands for every character. */
const HUB_PAGE = /^https?:\/\/huggingface.co\/([^/]+\/[^/]+)$/su;

/** By an address, or an id on the hub. */
function namedSource(name: string, parameters: number): CardObject {
  if (!/^(?:https?|ssh):\/\//u.test(name)) return identified(name, parameters, true);
  const [, id] = name.includes('huggingface.co') ? (HUB_PAGE.exec(name) ?? []) : [];
  const known = id === undefined ? [] : identified(id, parameters, false);
  return new Map<string, CardValue>([...known, ['repo_url', name]]);
}

function identified(id: string, parameters: number, addressed: boolean): CardObject {
  const { name, organization, version } = modelIdOf(id, parameters);
  const source = new Map<string, CardValue>([['name', titleOf(name)]]);
  if (organization !== null) source.set('organization', titleOf(organization));
  if (version !== null) source.set('version', version);
  if (organization !== null && addressed) source.set('repo_url', `${HUB}${organization}/${name}`);
  return source;
}
