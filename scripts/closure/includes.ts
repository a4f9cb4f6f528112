// What a C source of ours includes. A header in quotes is compiled into the addon like the source
// itself and is ours; one in angle brackets is the locked compiler's or Node's. It need not
// understand all of C: the image's compiler gets no file of ours that was not found here.

/** A plain header beside its source; whatever else is in quotes can't be followed. */
const HEADER = /^"([a-z][a-z0-9-]*\.h)"\s*(?:\/[/*].*)?$/;

/** Names of headers in the source's own folder; null for an include that can't be followed. */
export function findIncludes(source: string): readonly (string | null)[] {
  return [...source.matchAll(/^[ \t]*#[ \t]*include[ \t]*(.*)$/gm)].flatMap(([, what = ""]) =>
    what.startsWith("<") ? [] : [HEADER.exec(what.trim())?.[1] ?? null],
  );
}
