import { pythonText } from '../../containers/python-text.js';
import type { IndexStyle } from '../../containers/container.js';
import type { PlannedTensor } from '../../layouts/tensor.js';
import type { Model } from '../../models/model.js';
import { readJsonFile } from '../folder/config.js';
import { printJson, type Json, type JsonObject } from '../folder/json.js';
import { said, type ModulePrecision, type Precision } from './precision.js';

/** What is not in the config.json of a model of mlx-lm's. */
const REMOVED: readonly string[] = ['_name_or_path', 'vision_config', 'quantization', 'quantization_config'];

/**
 * The text of config.json: the model's, with what mlx-lm adds, its names sorted. `modules` are those that have something said
 * of them by themselves.
 */
export function configText(
  config: JsonObject,
  precision: Precision,
  modules: readonly (readonly [path: string, of: ModulePrecision])[],
): string {
  const { groupSize, bits, mode } = precision;
  const quantization: Json = new Map<string, Json>([
    ...said(groupSize, bits, mode),
    ...modules.flatMap(([path, { said: own }]): [string, Json][] => (own === undefined ? [] : [[path, own]])),
  ]);
  const members = [...config].filter(([name]) => !REMOVED.includes(name));
  members.push(['quantization', quantization], ['quantization_config', quantization]);
  members.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  return printJson(new Map(members), 4);
}

/** config.json with the end of texts that generation_config.json has, as mlx-lm reads it. */
export async function withEndOfText(config: JsonObject, model: Model): Promise<JsonObject> {
  const source = await model.companions.find('generation_config.json');
  if (source === null) return config;
  const end = (await readJsonFile(source)).get('eos_token_id');
  return end === undefined || isEmpty(end) ? config : new Map([...config, ['eos_token_id', end]]);
}

/** What Python takes for false. */
const isEmpty = (value: Json): boolean => {
  if (typeof value !== 'object' || value === null) return value === null || value === false || value === '';
  if ('number' in value) return Number(value.number) === 0;
  return Array.isArray(value) ? value.length === 0 : value instanceof Map && value.size === 0;
};

/** How many parameters mlx-lm counts: those of modules that have no modules inside. */
export function parametersOf(weights: readonly Pick<PlannedTensor, 'name' | 'elements'>[]): number {
  const parents = new Set<string>();
  for (const { name } of weights) {
    const path = name.split('.').slice(0, -2);
    for (; path.length > 0; path.pop()) parents.add(path.join('.'));
  }
  const own = weights.filter(({ name }) => !parents.has(name.slice(0, Math.max(name.lastIndexOf('.'), 0))));
  return own.reduce((sum, { elements }) => sum + elements, 0);
}

/** The index that mlx-lm writes of one file, too, with the number of the model's parameters. */
export const indexStyle = (parameters: number): IndexStyle => ({
  isAlwaysWritten: true,
  textOf: (entries) => {
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    const metadata = `    "metadata": {\n        "total_size": ${bytes},\n        "total_parameters": ${parameters}\n    }`;
    const lines = entries.map(({ name, file }) => `        ${pythonText(name)}: ${pythonText(file)}`);
    return `{\n${metadata},\n    "weight_map": {\n${lines.join(',\n')}\n    }\n}`;
  },
});
