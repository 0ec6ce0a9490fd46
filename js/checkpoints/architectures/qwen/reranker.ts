import { text, texts, u32 } from '../../../containers/gguf/key-values.js';
import { invalidFile, quoted } from '../../../containers/invalid-file.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { loadTokenizer } from '../../tokenizer/loaded/load.js';
import { joined, rows } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Recipe } from '../base/recipes.js';
import type { Sizes } from '../base/sizes.js';
import { only } from '../base/split.js';

/** What those who judge how well a text answers a question are called. */
const NAMES = ['qwen3-reranker', 'qwen3-vl-reranker'];

/** llama.cpp's number of pooling that gives scores. */
const RANK = 4;

const OUTPUT = 'cls.output.weight';

/** How the two texts are put to the model; each is put in place of its name. */
const TEMPLATE =
  '<|im_start|>system\n' +
  'Judge whether the Document meets the requirements based on the Query and the Instruct provided. ' +
  'Note that the answer can only be "yes" or "no".<|im_end|>\n' +
  '<|im_start|>user\n' +
  '<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n' +
  '<Query>: {query}\n' +
  '<Document>: {document}<|im_end|>\n' +
  '<|im_start|>assistant\n' +
  '<think>\n\n</think>\n\n';

/** Whether a model is one of them, which only names and its card tell. */
export async function isReranker({ files, hparams }: Checkpoint): Promise<boolean> {
  const card = (await files.text('README.md'))?.toLowerCase() ?? '';
  if (NAMES.some((name) => card.includes(`# ${name}`))) return true;
  const hints = [files.folderName, hparams.text('_name_or_path') ?? ''].map((hint) => hint.toLowerCase());
  return hints.some((hint) => NAMES.some((name) => hint.includes(name)));
}

/** The recipes of a language model, but for its output: what remains of it are the rows of "yes" and "no". */
export async function rerankerRecipes(
  checkpoint: Checkpoint,
  { vocabulary, embedding }: Sizes,
  recipes: readonly Recipe[],
): Promise<readonly Recipe[]> {
  const ids = await answerIds(checkpoint, vocabulary);
  const isTied = checkpoint.hparams.find('tie_word_embeddings') === true;
  const part = isTied ? 'model.embed_tokens.weight' : 'lm_head.weight';
  const answers = { name: OUTPUT, make: ([weight]: readonly Weight[]) => answerRows(only(weight), ids) };
  const products = isTied ? [answers, { name: 'token_embd.weight' }] : [answers];
  return [
    { parts: [{ name: part, shape: [vocabulary, embedding] }], products },
    ...recipes.filter(({ parts }) => parts[0]?.name !== part),
  ];
}

const answerRows = (weight: Weight, ids: readonly number[]): Weight =>
  joined(
    ids.map((id) => rows(weight, id, id + 1)),
    OUTPUT,
  );

async function answerIds(checkpoint: Checkpoint, vocabulary: number | null): Promise<readonly number[]> {
  const ids = (await loadTokenizer(checkpoint))?.vocabulary.ids;
  return ['yes', 'no'].map((answer) => {
    const id = ids?.get(answer);
    if (id !== undefined && (vocabulary === null || id < vocabulary)) return id;
    throw invalidFile(checkpoint, `its tokenizer has no token ${quoted(answer)}, which a reranker answers with`);
  });
}

/** The pairs of those whose output are scores. */
export function setReranker(pairs: KeyList, { options }: Checkpoint, architecture: string): void {
  pairs.set(u32(`${architecture}.pooling_type`, RANK));
  pairs.set(texts(`${architecture}.classifier.output_labels`, ['yes', 'no']));
  if (!options.chatTemplate) return;
  pairs.set(text('tokenizer.chat_template.rerank', TEMPLATE), texts('tokenizer.chat_templates', ['rerank']));
}
