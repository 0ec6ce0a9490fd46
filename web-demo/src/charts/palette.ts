/** The style sheet's colours, for a canvas, which knows no style sheet. */

const NAMES = {
  ...{ ink: '--ink', muted: '--muted', line: '--line', card: '--card', before: '--before', after: '--after' },
  ...{ onAfter: '--on-after', bad: '--bad', cool: '--cool', warm: '--warm', middle: '--middle' },
} as const;

type ColourName = keyof typeof NAMES;

export type Palette = Readonly<Record<ColourName, string>> & { readonly font: string };

/** As they are at `element` now: they depend on the theme. */
export function paletteAt(element: HTMLElement): Palette {
  const probe = element.ownerDocument.createElement('span');
  element.append(probe);
  const colours = Object.entries(NAMES).map(([name, property]) => {
    probe.style.color = `var(${property})`;
    return [name, getComputedStyle(probe).color] as const;
  });
  const font = getComputedStyle(probe).fontFamily;
  probe.remove();
  return { ...(Object.fromEntries(colours) as Record<ColourName, string>), font };
}
