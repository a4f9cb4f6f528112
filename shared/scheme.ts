// Signature schemes of keys, as bundles and key lists number them. Numbers are never reused.

export const SCHEMES = {
  /** BLS12-381, public keys in G1, proof-of-possession suite: Ethereum's consensus layer. */
  "bls12381-pop": { number: 1, publicKeyBytes: 48, secretKeyBytes: 32 },
} as const;

export type Scheme = keyof typeof SCHEMES;

export function schemeOfNumber(number: number): Scheme | undefined {
  for (const [name, scheme] of Object.entries(SCHEMES)) {
    if (scheme.number === number && isScheme(name)) return name;
  }
  return undefined;
}

export function isScheme(text: string): text is Scheme {
  return Object.hasOwn(SCHEMES, text);
}
