// `priv_validator_key.json` of CometBFT and its forks: a key with its public key and address, in
// the clear. It must never hand out a key that is not the one the file states: both are checked,
// since nothing else tells a damaged file from a whole one. The secret is never text here, which
// could not be overwritten.

import { uncompressPublicKey } from "../../enclave/keys/ecdsa.ts";
import type { MessageScheme } from "../../enclave/keys/message-signer.ts";
import { allocateSecret, wipe } from "../../enclave/keys/secret.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { parseHex } from "../../shared/bytes/hex.ts";
import { err, type Result } from "../../shared/result.ts";
import { SCHEMES, SECRET_KEY_BYTES } from "../../shared/scheme.ts";
import { JsonCursor, MalformedJson } from "./json-cursor.ts";
import { type OpenedMessageKey, openSecret } from "./opened-key.ts";
import { parseSecretBase64 } from "./secret-base64.ts";
import { validatorAddressOf } from "./validator-address.ts";

/** ML-DSA-65, which is the longest and refused by its name, has 5,376 digits of secret. */
export const VALIDATOR_KEY_BYTES_MAX = 16 * 1024;
const TYPE_LENGTH_MAX = 64;
const VALUE_LENGTH_MAX = 8 * 1024;
const ADDRESS_LENGTH = 40;

export type ValidatorKeyFault =
  | "not a validator key"
  | "malformed validator key"
  | "unsupported type of key"
  | "invalid secret key"
  | "public key is not that of the secret"
  | "address is not that of the public key";

type KeyForm = {
  readonly scheme: MessageScheme;
  readonly publicType: string;
  /** How the file writes the public key. */
  readonly encode: (publicKey: Uint8Array) => Uint8Array;
  /** The public key follows the secret, as Go has it. */
  readonly hasPublicKeyInSecret: boolean;
};

const PLAIN = {
  encode: (publicKey: Uint8Array) => publicKey,
  hasPublicKeyInSecret: false,
} as const;

/** By the type of the private key (cometbft v0.40.0 and v2.0.0-rc1, crypto/*). */
const FORMS: ReadonlyMap<string, KeyForm> = new Map<string, KeyForm>([
  [
    "tendermint/PrivKeyEd25519",
    {
      ...PLAIN,
      scheme: "ed25519",
      publicType: "tendermint/PubKeyEd25519",
      hasPublicKeyInSecret: true,
    },
  ],
  [
    "tendermint/PrivKeySecp256k1",
    { ...PLAIN, scheme: "secp256k1", publicType: "tendermint/PubKeySecp256k1" },
  ],
  [
    "cometbft/PrivKeyBls12_381",
    { ...PLAIN, scheme: "bls12381-nul", publicType: "cometbft/PubKeyBls12_381" },
  ],
  [
    "tendermint/PrivKeySecp256k1eth",
    { ...PLAIN, scheme: "secp256k1eth", publicType: "tendermint/PubKeySecp256k1eth" },
  ],
  // v2.0.0-rc1 and Polygon's fork: the same keys under other names, not compressed.
  [
    "cometbft/PrivKeySecp256k1eth",
    {
      ...PLAIN,
      scheme: "secp256k1eth",
      publicType: "cometbft/PubKeySecp256k1eth",
      encode: uncompressPublicKey,
    },
  ],
]);

/** The caller wipes `bytes`, and the secret. Other JSON is `not a validator key`. */
export function parseValidatorKey(bytes: Uint8Array): Result<OpenedMessageKey, ValidatorKeyFault> {
  const file = bytes.length > VALIDATOR_KEY_BYTES_MAX ? null : readKeyFile(bytes);
  if (file === null) {
    return err(isMeantAsKey(bytes) ? "malformed validator key" : "not a validator key");
  }
  const form = FORMS.get(file.secretType);
  if (form === undefined) return err("unsupported type of key");
  if (file.publicType !== form.publicType) return err("malformed validator key");
  const address = parseHex(file.address);
  const publicKey = parseSecretBase64(file.publicValue);
  if (!address.ok || publicKey === null) return err("malformed validator key");
  const decoded = parseSecretBase64(file.secretValue);
  if (decoded === null) return err("malformed validator key");
  try {
    const opened = openDecoded(form, decoded);
    if (!opened.ok) return opened;
    const fault = faultOf(form, opened.value, publicKey, address.value);
    if (fault === null) return opened;
    wipe(opened.value.secret);
    return err(fault);
  } finally {
    wipe(decoded);
  }
}

type KeyFile = {
  readonly address: string;
  readonly publicType: string;
  readonly publicValue: Uint8Array;
  readonly secretType: string;
  /** A view into the file. */
  readonly secretValue: Uint8Array;
};

/** Exactly the members that CometBFT writes; null for anything else. */
function readKeyFile(bytes: Uint8Array): KeyFile | null {
  const json = new JsonCursor(bytes);
  let address = "";
  const publicKey = { type: "", value: new Uint8Array(0) };
  const secretKey = { type: "", value: new Uint8Array(0) };
  const readTyped = (into: { type: string; value: Uint8Array }): void =>
    json.object(
      {
        type: () => (into.type = json.string(TYPE_LENGTH_MAX)),
        value: () => (into.value = json.stringBytes(VALUE_LENGTH_MAX)),
      },
      ["type", "value"],
    );
  try {
    json.object(
      {
        address: () => (address = json.string(ADDRESS_LENGTH)),
        pub_key: () => readTyped(publicKey),
        priv_key: () => readTyped(secretKey),
      },
      ["address", "pub_key", "priv_key"],
    );
    json.end();
  } catch (error) {
    if (error instanceof MalformedJson) return null;
    throw error;
  }
  return {
    address,
    publicType: publicKey.type,
    publicValue: publicKey.value,
    secretType: secretKey.type,
    secretValue: secretKey.value,
  };
}

/** `node_key.json` has no public key, `genesis.json` no private one. */
function isMeantAsKey(bytes: Uint8Array): boolean {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return file.includes('"pub_key"') && file.includes('"priv_key"');
}

function openDecoded(
  { scheme, hasPublicKeyInSecret }: KeyForm,
  decoded: Uint8Array,
): Result<OpenedMessageKey, ValidatorKeyFault> {
  const publicKeyBytes = hasPublicKeyInSecret ? SCHEMES[scheme].publicKeyBytes : 0;
  if (decoded.length !== SECRET_KEY_BYTES + publicKeyBytes) return err("malformed validator key");
  const secret = allocateSecret(SECRET_KEY_BYTES);
  secret.set(decoded.subarray(0, SECRET_KEY_BYTES));
  const opened = openSecret(scheme, secret);
  if (!opened.ok || !hasPublicKeyInSecret) return opened;
  const isSame = isEqualBytes(opened.value.publicKey, decoded.subarray(SECRET_KEY_BYTES));
  if (isSame) return opened;
  wipe(secret);
  return err("public key is not that of the secret");
}

function faultOf(
  { scheme, encode }: KeyForm,
  { publicKey }: OpenedMessageKey,
  statedKey: Uint8Array,
  statedAddress: Uint8Array,
): ValidatorKeyFault | null {
  if (!isEqualBytes(encode(publicKey), statedKey)) return "public key is not that of the secret";
  const isSame = isEqualBytes(validatorAddressOf(scheme, publicKey), statedAddress);
  return isSame ? null : "address is not that of the public key";
}
