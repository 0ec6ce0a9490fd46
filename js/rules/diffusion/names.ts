/** Whether one of `parts` occurs in a name; those that begin with `=` are names in full. */
export const contains = (parts: readonly string[] | undefined, name: string): boolean =>
  parts?.some((part) => (part.startsWith('=') ? name === part.slice(1) : name.includes(part))) ?? false;
