// What bytes state, in words beside them, for people. It must never take words for those of the
// bytes in which anything is more, less or other.

export type Words = Readonly<Record<string, string | number | null>>;

export function isSameWords(a: Words, b: Words): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
  );
}
