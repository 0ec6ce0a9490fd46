/** A plugin of TypeDoc: names that are computed from tables of the sources are shown as what they stand for. */
import { Converter, LiteralType, ReflectionKind, UnionType } from 'typedoc';

export function load(app) {
  const unions = new Map();
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    if (reflection.kind !== ReflectionKind.TypeAlias) return;
    const symbol = context.getSymbolFromReflection(reflection);
    const values = symbol === undefined ? null : textsOf(context.checker.getDeclaredTypeOfSymbol(symbol));
    if (values !== null) unions.set(reflection, values);
  });
  // TypeDoc sets types itself after it has announced the declaration.
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, () => {
    for (const [reflection, values] of unions)
      reflection.type = new UnionType(values.map((value) => new LiteralType(value)));
  });
}

/** The texts that a type stands for; null where it stands for anything else. */
function textsOf(type) {
  const parts = type.isUnion() ? type.types : [type];
  return parts.every((part) => part.isStringLiteral()) ? parts.map(({ value }) => value) : null;
}
