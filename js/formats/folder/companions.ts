import type { Model } from '../../models/model.js';
import type { Companion } from '../../plan/plan.js';
import { readJsonFile, readTextFile } from './config.js';
import { isObject, type Json } from './json.js';

/** What lies beside the weights of a model and is of no other use than to be copied: tokenizers, templates, settings. */
const COPIED: readonly string[] = [
  ...['generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'tokenizer.model', 'vocab.json'],
  ...['vocab.txt', 'merges.txt', 'special_tokens_map.json', 'added_tokens.json', 'spiece.model', 'tiktoken.model'],
  ...['sentencepiece.bpe.model', 'spm.model'],
  ...['tekken.json', 'chat_template.jinja', 'chat_template.json', 'preprocessor_config.json', 'processor_config.json'],
  ...['video_preprocessor_config.json', 'image_processor_config.json', 'modules.json', 'LICENSE', 'NOTICE'],
  ...['LICENSE.txt', 'LICENSE.md', 'USE_POLICY.md'],
];

/** Files that name programs which belong to the model. */
const WITH_PROGRAMS: readonly string[] = ['config.json', 'tokenizer_config.json'];

/** Far more files of programs than any model has. */
const MOST_PROGRAMS = 64;

/** Those of them that are beside the model, byte for byte. Rejects where one is there that cannot be read. */
export async function companionsOf(model: Model): Promise<readonly Companion[]> {
  const found = await Promise.all(
    COPIED.map(async (name) => {
      const content = await model.companions.find(name);
      return content === null ? [] : [{ name, content }];
    }),
  );
  return [...found.flat(), ...(await programsOf(model))];
}

/** The model's own Python modules: those that `auto_map` names, and those that these import. */
async function programsOf({ companions }: Model): Promise<readonly Companion[]> {
  const names = new Set<string>();
  for (const name of WITH_PROGRAMS) {
    const source = await companions.find(name);
    const map = source === null ? undefined : (await readJsonFile(source)).get('auto_map');
    for (const module of isObject(map) ? [...map.values()].flatMap(modulesIn) : []) names.add(`${module}.py`);
  }
  const programs: Companion[] = [];
  // What is imported is added while this goes on.
  for (const name of names) {
    const content = programs.length < MOST_PROGRAMS ? await companions.find(name) : null;
    if (content === null) continue;
    programs.push({ name, content });
    for (const [, module = ''] of (await readTextFile(content)).matchAll(IMPORT)) names.add(`${module}.py`);
  }
  return programs;
}

const IMPORT = /^[ \t]*from[ \t]+\.(\w+)[ \t]+import\b/gmu;

/** The modules of classes as `auto_map` names them, one or several; those of other models have `--` in their names. */
function modulesIn(value: Json): readonly string[] {
  if (typeof value !== 'string') return Array.isArray(value) ? (value as readonly Json[]).flatMap(modulesIn) : [];
  const [, module] = /^(\w+)\.\w+$/u.exec(value) ?? [];
  return module === undefined ? [] : [module];
}
