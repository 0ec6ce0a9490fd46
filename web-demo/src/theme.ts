/** Light or dark: as the system says, until the person says otherwise. */

import { signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const KEY = 'arrowquant-theme';
const darkSystem = matchMedia('(prefers-color-scheme: dark)');

const stored = (): Theme | null => {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    // Pages may be forbidden to keep anything.
    return null;
  }
};

const chosen = signal(stored());
const system = signal<Theme>(darkSystem.matches ? 'dark' : 'light');

export const theme = signal<Theme>(chosen.value ?? system.value);

export function startTheme(): void {
  apply();
  darkSystem.addEventListener('change', ({ matches }) => {
    system.value = matches ? 'dark' : 'light';
    apply();
  });
}

export function toggleTheme(): void {
  chosen.value = theme.value === 'dark' ? 'light' : 'dark';
  try {
    localStorage.setItem(KEY, chosen.value);
  } catch {
    // It holds for this visit then.
  }
  apply();
}

function apply(): void {
  theme.value = chosen.value ?? system.value;
  document.documentElement.dataset['theme'] = theme.value;
}
