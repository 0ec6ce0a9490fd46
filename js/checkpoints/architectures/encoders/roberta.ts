import { byteLevel, setTokenTypeCount, unigram } from '../../tokenizer/vocabularies.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import type { Architecture } from '../architecture.js';
import { firstVocabulary } from '../base/decoder.js';
import { floatIn, LAYER_NORM_EPSILON } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { feedForwardOf, type Sizes } from '../base/sizes.js';
import { bertEmbeddings, bertLayer, bertName, classifier } from './bert.js';
import { classifierName, encoder, layersOf, setEncoderParameters } from './encoder.js';
import { isJina3, jinaBert3 } from './jina-bert-3.js';
import { countedPositions, setContext } from './positions.js';

const NAME = 'bert';

const keep = (name: string, checkpoint: Checkpoint): string | null => {
  const kept = bertName(name.replace(/^roberta\./u, ''));
  return kept === null ? null : classifierName(kept, checkpoint);
};

const recipes = (checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] => [
  ...bertEmbeddings(checkpoint, sizes),
  countedPositions(checkpoint, sizes),
  ...layersOf(sizes, 'encoder.layer.', (block) => bertLayer(block, sizes, feedForwardOf(checkpoint))),
  ...classifier(checkpoint, sizes, ['classifier', 'classifier.dense']),
];

async function parameters(pairs: KeyList, checkpoint: Checkpoint): Promise<void> {
  floatIn(checkpoint.hparams, ...LAYER_NORM_EPSILON);
  await setEncoderParameters(pairs, checkpoint, NAME);
  setContext(pairs, checkpoint, NAME);
}

export const roberta: Architecture = encoder({
  name: NAME,
  classes: ['RobertaModel', 'RobertaForSequenceClassification'],
  keep,
  recipes,
  parameters,
  async vocabulary(pairs, checkpoint) {
    // The converter takes these tokens for BERT's where tokenizer.json is missing, which cuts no text rightly.
    const isOlder = (await checkpoint.files.plain('tokenizer.json')) === null;
    await firstVocabulary(pairs, checkpoint, ...(isOlder ? [] : [byteLevel]));
    setTokenTypeCount(pairs, checkpoint);
  },
});

/** The same model of more languages, whose tokens are pieces of SentencePiece; version 3 of Jina's embeddings is one, too. */
export const xlmRoberta: Architecture = encoder({
  name: NAME,
  classes: ['XLMRobertaModel', 'XLMRobertaForSequenceClassification'],
  variant: (hparams) => (isJina3(hparams) ? jinaBert3 : undefined),
  keep,
  recipes,
  parameters,
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, unigram),
});
