// What stands in DER before the 32 bytes of an Ed25519 or X25519 key (RFC 8410). A head says how
// long its key is: it must never go before one of another length.

const OIDS = { ed25519: 0x70, x25519: 0x6e } as const;

export type Curve25519Kind = keyof typeof OIDS;

/** OneAsymmetricKey up to the secret (§7). */
export function pkcs8Head(kind: Curve25519Kind): Uint8Array {
  return Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0, ...algorithmOf(kind), 0x04, 0x22, 0x04, 0x20);
}

/** SubjectPublicKeyInfo up to the key (§4). */
export function spkiHead(kind: Curve25519Kind): Uint8Array {
  return Uint8Array.of(0x30, 0x2a, ...algorithmOf(kind), 0x03, 0x21, 0);
}

/** SEQUENCE { OBJECT IDENTIFIER 1.3.101.n } (§3). */
function algorithmOf(kind: Curve25519Kind): readonly number[] {
  return [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, OIDS[kind]];
}
