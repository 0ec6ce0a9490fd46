import type { Model } from '../../models/model.js';
import type { Companion } from '../../plan/plan.js';

/** What lies beside the weights of a model and is of no other use than to be copied: tokenizers, templates, settings. */
const COPIED: readonly string[] = [
  ...['generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'tokenizer.model', 'vocab.json'],
  ...['vocab.txt', 'merges.txt', 'special_tokens_map.json', 'added_tokens.json', 'spiece.model', 'tiktoken.model'],
  ...['tekken.json', 'chat_template.jinja', 'chat_template.json', 'preprocessor_config.json', 'processor_config.json'],
  ...['video_preprocessor_config.json', 'image_processor_config.json', 'modules.json', 'LICENSE', 'NOTICE'],
];

/** Those of them that are beside the model, byte for byte. Rejects where one is there that cannot be read. */
export async function companionsOf(model: Model): Promise<readonly Companion[]> {
  const found = await Promise.all(
    COPIED.map(async (name) => {
      const content = await model.companions.find(name);
      return content === null ? [] : [{ name, content }];
    }),
  );
  return found.flat();
}
