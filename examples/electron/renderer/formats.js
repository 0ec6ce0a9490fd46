/** The formats on offer: the options of `quantizeFile` for each, and how the output's name ends. */

const gguf = (type, hint) => ({ name: type, text: `GGUF, ${type}`, options: { type }, ending: `-${type}.gguf`, hint });
const affine = (bits, hint) => ({
  name: `int${bits}`,
  text: `Safetensors, ${bits} bits`,
  options: { bits, groupSize: 128 },
  ending: `-int${bits}.safetensors`,
  hint,
});

export const FORMAT_GROUPS = [
  {
    label: 'GGUF',
    formats: [
      gguf('Q8_0', '8.5 bits a weight; next to no loss'),
      gguf('Q6_K', '6.6 bits a weight; very little loss'),
      gguf('Q5_K_M', '5.5 bits a weight; little loss'),
      gguf('Q4_K_M', '4.5 bits a weight; the usual choice'),
      gguf('Q4_0', '4.5 bits a weight; quick everywhere'),
      gguf('Q3_K_M', '3.4 bits a weight; noticeable loss'),
      gguf('Q2_K', '2.6 bits a weight; for what fits no other way'),
    ],
  },
  {
    label: 'Safetensors, groups of 128 weights',
    formats: [
      affine(8, '8.3 bits a weight; next to no loss'),
      affine(4, '4.3 bits a weight; restored by a product and a sum'),
      affine(2, '2.3 bits a weight; noticeable loss'),
    ],
  },
];

export const FORMATS = FORMAT_GROUPS.flatMap(({ formats }) => formats);
export const DEFAULT_FORMAT = 'Q4_K_M';

/** What to call the output of `input`, without its folder. */
export const outputName = (input, { ending }) =>
  `${input.replace(/(\.safetensors\.index\.json|\.safetensors|\.gguf)$/i, '')}${ending}`;
