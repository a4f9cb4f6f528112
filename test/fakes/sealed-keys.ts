// Keys and bundles for tests: secrets from numbers, and a KMS that wraps data keys in memory and
// releases them only for the context and the key ARN that they were made under.

import { randomBytes } from "node:crypto";
import { SecretKey } from "@chainsafe/blst";
import type { KeyReleaser } from "../../enclave/core/ports.ts";
import type { GenerateDataKey } from "../../scripts/cli/bundle-sealer.ts";
import { sealBundle } from "../../scripts/cli/bundle-sealer.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { refusal } from "../../shared/errors.ts";
import { err, ok } from "../../shared/result.ts";

export const KEY_ARN =
  "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

export function secretOf(number: number): Uint8Array<ArrayBuffer> {
  const secret = new Uint8Array(new ArrayBuffer(32));
  new DataView(secret.buffer).setUint32(28, number);
  return secret;
}

/** A key whose secret is this number; 0 is no key. */
export function bundleKeyOf(number: number): BundleKey {
  const secret = secretOf(number);
  const publicKey = SecretKey.fromBytes(secret).toPublicKey().toBytes();
  return { scheme: "bls12381-pop", publicKey, secret };
}

export class FakeKms implements KeyReleaser {
  /** What was handed out in the clear, to check that it was wiped. */
  readonly released: Uint8Array[] = [];
  readonly #wrapped = new Map<string, { key: Uint8Array; context: string; keyArn: string }>();
  generateCount = 0;

  readonly generate: GenerateDataKey = (keyArn, encryptionContext) => {
    this.generateCount += 1;
    const key = randomBytes(32);
    const wrapped = randomBytes(184);
    const context = JSON.stringify(encryptionContext);
    this.#wrapped.set(wrapped.toString("hex"), { key, context, keyArn });
    const plaintext = new Uint8Array(key);
    this.released.push(plaintext);
    return Promise.resolve(ok({ plaintext, wrapped }));
  };

  release: KeyReleaser["release"] = ({ keyArn, ciphertext, encryptionContext }) => {
    const entry = this.#wrapped.get(Buffer.from(ciphertext).toString("hex"));
    if (
      entry === undefined ||
      entry.keyArn !== keyArn ||
      entry.context !== JSON.stringify(encryptionContext)
    ) {
      return Promise.resolve(err(refusal("KMS_INVALID")));
    }
    const plaintext = new Uint8Array(entry.key);
    this.released.push(plaintext);
    return Promise.resolve(ok(plaintext));
  };
}

export async function sealKeys(keys: readonly BundleKey[], kms: FakeKms): Promise<Uint8Array> {
  const sealed = await sealBundle(keys, KEY_ARN, 1_767_225_600_000, kms.generate);
  if (!sealed.ok) throw new Error(sealed.error);
  return sealed.value.bytes;
}
