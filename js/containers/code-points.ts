/** As Python sorts texts: other than by UTF-16 units, what takes two of them comes last. */
export function byCodePoint(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a.charCodeAt(at) === b.charCodeAt(at)) ++at;
  if (at === most) return a.length - b.length;
  return codePointAround(a, at) - codePointAround(b, at);
}

/** The character that the unit at `at` is a part of; a half without its other half is one by itself. */
function codePointAround(text: string, at: number): number {
  const before = at > 0 ? (text.codePointAt(at - 1) ?? 0) : 0;
  return before > 0xffff ? before : (text.codePointAt(at) ?? 0);
}
