import { AURA } from './aura.js';
import { FLUX } from './flux.js';
import { SD3 } from './sd3.js';
import { Z_IMAGE } from './z-image.js';

/** A module or a parameter under its name in the original layout, where `*` stands for the number of a block. */
export interface Counterpart {
  readonly name: string;
  /** What it is called in diffusers' layout; several are its rows, one after the other. */
  readonly from: readonly string[];
  /** Whether the halves of its rows change places; `last`: in the last block only. Scale and shift are the other way round. */
  readonly swapsHalves?: true | 'last' | undefined;
}

/** A family in the layout of the library diffusers. */
export interface DiffusersLayout {
  /** Modules: what follows is the name of a parameter, such as `weight`. */
  readonly modules: readonly Counterpart[];
  /** Parameters, by their whole names. */
  readonly parameters: readonly Counterpart[];
  /** Whether what has no counterpart is called the same in both layouts; else nobody knows what it is. */
  readonly keepsOthers: boolean;
}

const LAYOUTS: ReadonlyMap<string, DiffusersLayout> = new Map([
  ['flux', FLUX],
  ['sd3', SD3],
  ['aura', AURA],
  ['z_image', Z_IMAGE],
]);

/** By the name of a family; undefined where its layout in diffusers has no known counterpart. */
export const diffusersLayoutOf = (family: string): DiffusersLayout | undefined => LAYOUTS.get(family);

/** Where a tensor of diffusers' layout goes. */
export interface OriginalPlace {
  readonly name: string;
  /** Which of the parts of that tensor it is, and their names. */
  readonly part: number;
  readonly parts: readonly string[];
  readonly block: number;
  readonly swapsHalves: true | 'last' | undefined;
}

/** The places of a layout's tensors, by their names. */
export class OriginalPlaces {
  readonly #modules: readonly [Counterpart, part: number, pattern: RegExp][];
  readonly #parameters: readonly [Counterpart, part: number, pattern: RegExp][];

  constructor({ modules, parameters }: DiffusersLayout) {
    this.#modules = patternsOf(modules, String.raw`(\.[^.]+)`);
    this.#parameters = patternsOf(parameters, '()');
  }

  /** Null where the layout says nothing about a tensor of that name. */
  placeOf(name: string): OriginalPlace | null {
    for (const [{ name: original, from, swapsHalves }, part, pattern] of [...this.#parameters, ...this.#modules]) {
      const found = pattern.exec(name);
      if (found === null) continue;
      const number = found.groups?.['block'] ?? '';
      const suffix = found.at(-1) ?? '';
      const named = (template: string): string => template.replace('*', number) + suffix;
      return { name: named(original), part, parts: from.map(named), block: Number(number), swapsHalves };
    }
    return null;
  }
}

const patternsOf = (counterparts: readonly Counterpart[], end: string): [Counterpart, number, RegExp][] =>
  counterparts.flatMap((one) =>
    one.from.map((from, part): [Counterpart, number, RegExp] => {
      const escaped = from.replaceAll('.', String.raw`\.`).replace('*', String.raw`(?<block>\d{1,6})`);
      return [one, part, new RegExp(`^${escaped}${end}$`, 'u')];
    }),
  );
