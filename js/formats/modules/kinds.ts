/** Which parameters of a language model are the weights of which kind of module, by what config.json calls the architecture. */

import { QuantizeError, quoted } from '../../errors.js';
import { nearestName } from '../../checks.js';

/**
 * `linear`: a matrix that activations are multiplied with. `embedding`: rows that are looked up. `output`: the linear module
 * that makes logits, which programs often keep. `router`: the linear module that chooses experts. `expert`: a matrix of one
 * expert, where a program holds those of all in one tensor. `other`: anything else, such as norms, biases, convolutions.
 */
export type ModuleKind = 'linear' | 'embedding' | 'output' | 'router' | 'expert' | 'other';

/** The last parts of the names of modules that are no plain linear ones; of these, all matrices called `weight` are. */
interface Modules {
  readonly embeddings: readonly string[];
  readonly output: string;
  readonly routers: readonly string[];
}

const modules = (embeddings: string, output: string, routers = ''): Modules => ({
  embeddings: embeddings.split(' '),
  output,
  routers: routers.split(' '),
});

const USUAL = modules('embed_tokens', 'lm_head');
const WITH_EXPERTS = modules('embed_tokens', 'lm_head', 'gate shared_expert_gate router');
const WITH_WORD_EMBEDDINGS = modules('word_embeddings', 'lm_head');

const named = (names: string, kinds: Modules): (readonly [string, Modules])[] =>
  names.split(' ').map((name) => [name, kinds]);

/** As the modules of the library transformers are called. */
const ARCHITECTURES: ReadonlyMap<string, Modules> = new Map([
  ...named(
    'apertus arcee cohere cohere2 ernie4_5 exaone4 gemma gemma2 gemma3_text glm glm4 granite helium hunyuan_v1_dense',
    USUAL,
  ),
  ...named(
    'llama ministral ministral3 mistral nemotron olmo olmo2 olmo3 persimmon phi phi3 qwen2 qwen3 seed_oss',
    USUAL,
  ),
  ...named('smollm3 stablelm starcoder2 vaultgemma', USUAL),
  ...named('deepseek_v2 deepseek_v3 dots1 ernie4_5_moe glm4_moe minimax mixtral olmoe phimoe', WITH_EXPERTS),
  ...named('qwen2_moe qwen3_moe', WITH_EXPERTS),
  ...named('granitemoe', modules('embed_tokens', 'lm_head', 'layer')),
  ...named('bloom falcon', WITH_WORD_EMBEDDINGS),
  ...named('opt', modules('embed_tokens embed_positions', 'lm_head')),
  ...named('gpt_neox', modules('embed_in', 'embed_out')),
  ...named('gptj codegen mpt', modules('wte', 'lm_head')),
  ...named('gpt_bigcode', modules('wte wpe', 'lm_head')),
  ...named('exaone', modules('wte', 'lm_head')),
  ...named('internlm2', modules('tok_embeddings', 'output')),
]);

/** With this in the place of an architecture, all matrices are linear that no architecture calls something else. */
const ANY = 'none';

const all = (of: (kinds: Modules) => readonly string[]): string[] => [...ARCHITECTURES.values()].flatMap(of);

const OF_ANY = (): Kinds => ({
  embeddings: new Set(all(({ embeddings }) => embeddings)),
  outputs: new Set(all(({ output }) => [output])),
  routers: new Set(all(({ routers }) => routers)),
});

interface Kinds {
  readonly embeddings: ReadonlySet<string>;
  readonly outputs: ReadonlySet<string>;
  readonly routers: ReadonlySet<string>;
}

/** What tells the kinds of an architecture's parameters. */
export interface ModuleKinds {
  kindOf(tensor: { readonly name: string; readonly shape: readonly number[] }): ModuleKind;
  /** What the module that makes logits is called, also where it has no weights of its own; null where nobody knows. */
  readonly output: string | null;
}

/**
 * The kinds of modules of `architecture`, as config.json calls it (`model_type`), or of any one with `none`. Throws
 * `unsupported_model` where it is not known; `file` is the model's.
 */
export function moduleKinds(architecture: string | null, file: string): ModuleKinds {
  const found = ARCHITECTURES.get(architecture ?? '');
  if (found === undefined && architecture !== ANY) throw unknownArchitecture(architecture, file);
  const kinds = found === undefined ? OF_ANY() : kindsOf(found);
  return {
    kindOf: ({ name, shape }) => kindIn(kinds, name, shape),
    output: found?.output ?? null,
  };
}

/** The same for a program that holds the matrices of all experts of a layer in one tensor, and can only keep them. */
export const withWholeExperts = (kinds: ModuleKinds): ModuleKinds => ({
  ...kinds,
  kindOf: (tensor) => {
    const kind = kinds.kindOf(tensor);
    return kind === 'linear' && EXPERT.test(tensor.name) ? 'expert' : kind;
  },
});

const EXPERT = /^(.*\bexperts)\.\d+\./u;

/** The module of all experts that the parameter of one belongs to; null where it is of none. */
export const expertsOf = (name: string): string | null => EXPERT.exec(name)?.[1] ?? null;

const kindsOf = ({ embeddings, output, routers }: Modules): Kinds => ({
  embeddings: new Set(embeddings),
  outputs: new Set([output]),
  routers: new Set(routers),
});

const WEIGHT = '.weight';

/** The module that a parameter is the weight of; null for other parameters. */
export const moduleOf = (name: string): string | null => (name.endsWith(WEIGHT) ? name.slice(0, -WEIGHT.length) : null);

function kindIn({ embeddings, outputs, routers }: Kinds, name: string, shape: readonly number[]): ModuleKind {
  const module = moduleOf(name);
  if (module === null || shape.length !== 2) return 'other';
  const last = module.slice(module.lastIndexOf('.') + 1);
  if (embeddings.has(last)) return 'embedding';
  if (outputs.has(last)) return 'output';
  return routers.has(last) ? 'router' : 'linear';
}

function unknownArchitecture(architecture: string | null, file: string): QuantizeError {
  const way = `say which one it is with --architecture, or --architecture ${ANY} to take every matrix that is no embedding for a linear module`;
  if (architecture === null) {
    const detail = `nothing tells its architecture: put its config.json beside it, or ${way}`;
    return new QuantizeError('unsupported_model', { file, detail });
  }
  const nearest = nearestName(architecture, [...ARCHITECTURES.keys()]);
  const hint = nearest === undefined ? '' : ` (the nearest that is known is ${quoted(nearest)})`;
  const detail = `nobody knows which modules of the architecture ${quoted(architecture)} are linear${hint}; ${way}`;
  return new QuantizeError('unsupported_model', { file, detail });
}
