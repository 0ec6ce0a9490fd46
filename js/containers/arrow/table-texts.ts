/** Texts about the table itself, which another file does not have. */
const OF_TABLE = /^(pandas|ARROW:.*)$/su;

/** Those of a schema's texts that are about the model. */
export const withoutTableTexts = (texts: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
  new Map([...texts].filter(([key]) => !OF_TABLE.test(key)));
