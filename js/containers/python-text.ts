/** A JSON string in ASCII, as Python's `json.dumps` writes it. */
export const pythonText = (text: string): string =>
  JSON.stringify(text).replace(/[^\x20-\x7e]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => {
      return `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
