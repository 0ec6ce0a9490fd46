import type { Architecture } from '../architecture.js';
import { gpt2, starcoder } from '../gpt/gpt2.js';
import { falcon, gptNeox, stablelm, starcoder2 } from '../gpt/neox.js';
import { granite, graniteHybrid, graniteMixture } from '../llama/granite.js';
import { ernie, miniCpm, nemotron } from '../llama/kin.js';
import { arcee, llama, smollm3 } from '../llama/llama.js';
import { mistral3 } from '../llama/mistral.js';
import { qwen2, qwen2Mixture, qwen3, qwen3Mixture } from '../qwen/qwen.js';
import { qwen2Vision, qwen3Vision, qwen3VisionMixture } from '../qwen/qwen-vision.js';
import { cohere2, commandR } from './cohere.js';
import { deepseek2 } from './deepseek.js';
import { exaone, exaone4 } from './exaone.js';
import { gemma, gemma2, gemma3 } from './gemma.js';
import { glm4 } from './glm.js';
import { gptOss } from './gpt-oss.js';
import { lfm2 } from './lfm2.js';
import { olmo, olmo2, olmoMixture, seedOss } from './olmo.js';
import { phi2, phi3 } from './phi.js';

/** The models that go on with a text. */
export const DECODERS: readonly Architecture[] = [
  ...[llama, smollm3, arcee, mistral3, granite, graniteMixture, graniteHybrid, ernie, miniCpm, nemotron],
  ...[qwen2, qwen3, qwen2Mixture, qwen3Mixture, qwen2Vision, qwen3Vision, qwen3VisionMixture],
  ...[gemma, gemma2, gemma3, phi2, phi3, olmo, olmo2, olmoMixture, seedOss, deepseek2, lfm2],
  ...[gpt2, starcoder, gptNeox, falcon, stablelm, starcoder2, cohere2, commandR, glm4, exaone, exaone4, gptOss],
];
