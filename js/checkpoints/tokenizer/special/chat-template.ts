import { text, texts } from '../../../containers/gguf/key-values.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { member, type PlainFile } from '../plain.js';

const MAIN = 'chat_template.jinja';
const FOLDER = 'additional_chat_templates';
const ENDING = '.jinja';
const DEFAULT = 'default';

interface NamedTemplate {
  readonly name: string;
  readonly template: string;
}

/**
 * Writes the templates of chats. tokenizer_config.json goes before chat_template.jinja with the templates beside it, and that
 * before chat_template.json. llama.cpp's converter lists the names of several in an order that changes from run to run; here
 * they are sorted.
 */
export async function setChatTemplates(
  pairs: KeyList,
  config: PlainFile | null,
  checkpoint: Checkpoint,
): Promise<void> {
  if (!checkpoint.options.chatTemplate) return;
  if (config === null || Object.keys(config.values).length === 0) {
    await warnOfTemplate(checkpoint);
    return;
  }
  const value = config.has('chat_template') ? config.get('chat_template') : await templateBeside(checkpoint);
  if (typeof value === 'string') pairs.set(text('tokenizer.chat_template', value));
  else if (Array.isArray(value)) setNamed(pairs, value.flatMap(namedTemplate));
}

/** llama.cpp's converter looks for templates only where tokenizer_config.json says something. */
async function warnOfTemplate({ files, name, warn }: Checkpoint): Promise<void> {
  if ((await files.source(MAIN)) === null) return;
  const message = `${MAIN} of ${name} is left out, as there is no tokenizer_config.json that says something beside it`;
  warn({ code: 'checkpoint_doubt', message });
}

function setNamed(pairs: KeyList, templates: readonly NamedTemplate[]): void {
  const others = templates.filter(({ name }) => name !== DEFAULT);
  for (const { name, template } of others) pairs.set(text(`tokenizer.chat_template.${name}`, template));
  const names = [...new Set(others.map(({ name }) => name))].sort();
  pairs.set(texts('tokenizer.chat_templates', names));
  const standard = templates.filter(({ name }) => name === DEFAULT).at(-1);
  if (standard !== undefined) pairs.set(text('tokenizer.chat_template', standard.template));
}

function namedTemplate(choice: unknown): readonly NamedTemplate[] {
  const [name, template] = [member(choice, 'name'), member(choice, 'template')];
  if (typeof name !== 'string' || name === '' || typeof template !== 'string') return [];
  return [{ name: name.replace(/[^a-z0-9]/giu, '_'), template }];
}

async function templateBeside({ files }: Checkpoint): Promise<unknown> {
  const main = await files.text(MAIN);
  if (main === null) return (await files.plain('chat_template.json'))?.get('chat_template');
  const names = (await files.list(FOLDER)).filter((name) => name.endsWith(ENDING));
  if (names.length === 0) return unixLines(main);
  const templates = [{ name: DEFAULT, template: unixLines(main) }];
  for (const name of names) {
    const template = await files.text(`${FOLDER}/${name}`);
    if (template !== null) templates.push({ name: name.slice(0, -ENDING.length), template: unixLines(template) });
  }
  return templates;
}

/** Text as Python reads it from files. */
const unixLines = (value: string): string => value.replace(/\r\n?/gu, '\n');
