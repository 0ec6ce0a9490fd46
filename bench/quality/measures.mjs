/** Architectures whose output is one embedding of a text. */
const EMBEDDERS = /bert|embed/u;
/** Tokens of a text that a language model goes through. */
const MOST_TOKENS = 64;
const TEXTS = 24;

/**
 * How far a changed model is from the original one: of a model of embeddings the mean of 1 − cosine of the embeddings of the
 * same sentence, and the error of the cosines of pairs of sentences; of a language model the mean Kullback-Leibler divergence
 * of the next token's distribution, and how often the likeliest token is another one.
 */
export function measureOf(llama, model, sentences) {
  return EMBEDDERS.test(model.architecture) ? embeddings(llama, model, sentences) : nextTokens(llama, model, sentences);
}

function embeddings(llama, model, sentences) {
  const tokens = llama.tokenize(model.file, sentences, { special: true });
  const original = llama.embeddings(model.file, tokens);
  const pairs = original.map((one, i) => cosine(one, original[(i + 1) % original.length]));
  return {
    title: `${sentences.length} sentences`,
    columns: ['distance', 'pair error'],
    of(file) {
      const changed = llama.embeddings(file, tokens);
      const distances = changed.map((one, i) => 1 - cosine(one, original[i]));
      const errors = changed.map((one, i) => Math.abs(cosine(one, changed[(i + 1) % changed.length]) - pairs[i]));
      return { distance: mean(distances), 'pair error': mean(errors) };
    },
  };
}

function nextTokens(llama, model, sentences) {
  const texts = llama.tokenize(model.file, sentences.slice(0, TEXTS), { special: true });
  const tokens = texts.map((ids) => ids.slice(0, MOST_TOKENS));
  const original = llama.allLogits(model.file, tokens);
  return {
    title: `${tokens.length} texts`,
    columns: ['divergence', 'other token'],
    of(file) {
      const compared = llama
        .allLogits(file, tokens)
        .flatMap((logits, i) => compareLogits(original[i], logits, tokens[i].length));
      return {
        divergence: mean(compared.map(({ divergence }) => divergence)),
        'other token': mean(compared.map(({ isOther }) => Number(isOther))),
      };
    },
  };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; ++i) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot / Math.sqrt(aa * bb);
}

/** At each of `count` places, which follow each other. */
function compareLogits(original, changed, count) {
  const size = original.length / count;
  return Array.from({ length: count }, (_, place) => {
    const [a, b] = [original, changed].map((all) => all.subarray(place * size, (place + 1) * size));
    const [logA, logB] = [logSum(a), logSum(b)];
    let divergence = 0;
    for (let i = 0; i < size; ++i) divergence += Math.exp(a[i] - logA) * (a[i] - logA - (b[i] - logB));
    return { divergence, isOther: likeliest(a) !== likeliest(b) };
  });
}

function logSum(logits) {
  const top = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  return top + Math.log(logits.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

const likeliest = (logits) => logits.indexOf(logits.reduce((most, value) => Math.max(most, value), -Infinity));
