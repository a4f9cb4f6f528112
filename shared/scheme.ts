// Signature schemes of keys, as bundles and key lists number them. Numbers are never reused. Every
// table over schemes is a `Record<Scheme, …>`, so that a new one does not compile until all of them
// have an answer.

/** Of every scheme: a seed, or a scalar as big-endian bytes. */
export const SECRET_KEY_BYTES = 32;

export const SCHEMES = {
  /** BLS12-381, public keys in G1, proof-of-possession suite: Ethereum's consensus layer. */
  "bls12381-pop": {
    number: 1,
    publicKeyBytes: 48,
    secretKeyBytes: SECRET_KEY_BYTES,
    signatureBytes: 96,
  },
  /** RFC 8032; the secret is the seed. */
  ed25519: {
    number: 2,
    publicKeyBytes: 32,
    secretKeyBytes: SECRET_KEY_BYTES,
    signatureBytes: 64,
  },
  /** ECDSA over SHA-256 of the message, `r || s` with a low s; compressed public keys. */
  secp256k1: {
    number: 3,
    publicKeyBytes: 33,
    secretKeyBytes: SECRET_KEY_BYTES,
    signatureBytes: 64,
  },
  /** BLS12-381 as CometBFT has it: the basic (NUL) suite; public keys are not compressed. */
  "bls12381-nul": {
    number: 4,
    publicKeyBytes: 96,
    secretKeyBytes: SECRET_KEY_BYTES,
    signatureBytes: 96,
  },
  /**
   * ECDSA over Keccak-256 of the message, `r || s || v`. Public keys are compressed, as CometBFT
   * v0.40 has them; v2.0.0-rc1 writes the same keys in 65 bytes.
   */
  secp256k1eth: {
    number: 5,
    publicKeyBytes: 33,
    secretKeyBytes: SECRET_KEY_BYTES,
    signatureBytes: 65,
  },
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
