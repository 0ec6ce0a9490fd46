import type { Architecture } from '../architecture.js';
import { cohere2, commandR } from './cohere.js';
import { exaone, exaone4 } from './exaone.js';
import { gemma, gemma2, gemma3 } from './gemma.js';
import { glm4 } from './glm.js';
import { gpt2, starcoder } from './gpt2.js';
import { granite, graniteHybrid, graniteMixture } from './granite.js';
import { arcee, llama, smollm3 } from './llama.js';
import { falcon, gptNeox, stablelm, starcoder2 } from './neox.js';
import { olmo, olmo2, olmoMixture, seedOss } from './olmo.js';
import { phi2, phi3 } from './phi.js';
import { qwen2, qwen2Mixture, qwen3, qwen3Mixture } from './qwen.js';
import { qwen2Vision, qwen3Vision, qwen3VisionMixture } from './qwen-vision.js';

/** The models that go on with a text. */
export const DECODERS: readonly Architecture[] = [
  ...[llama, smollm3, arcee, granite, graniteMixture, graniteHybrid],
  ...[qwen2, qwen3, qwen2Mixture, qwen3Mixture, qwen2Vision, qwen3Vision, qwen3VisionMixture],
  ...[gemma, gemma2, gemma3, phi2, phi3, olmo, olmo2, olmoMixture, seedOss],
  ...[gpt2, starcoder, gptNeox, falcon, stablelm, starcoder2, cohere2, commandR, glm4, exaone, exaone4],
];
