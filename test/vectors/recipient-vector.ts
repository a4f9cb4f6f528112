// `CiphertextForRecipient` values, in groups of files with one stem: a value with the RSA key and
// the plaintext that it opens to, or a value with the parts that it is made of.

import { createPrivateKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { openCiphertextForRecipient, parseEnvelope } from "../../enclave/kms/cms.ts";
import { generateRecipientKey, recipientKeyOf } from "../../enclave/kms/recipient-key.ts";
import { concatBytes, isEqualBytes } from "../../shared/bytes/compare.ts";
import { failed, passed, type Verdict } from "./vector-result.ts";

type Group = {
  /** The file that holds the value. */
  readonly value: string;
  readonly parts: readonly string[];
  readonly run: (value: Uint8Array, parts: readonly Uint8Array[]) => Verdict | Promise<Verdict>;
};

/** By how the names of their files end. */
const GROUPS: readonly Group[] = [
  {
    value: "_ciphertextforrecipient.bin",
    parts: ["_key.pem", "_plaintext.bin"],
    run: openValue,
  },
  {
    value: "_input_ber.bin",
    parts: ["_ciphertext_out.bin", "_encrypted_key_out.bin", "_iv_out.bin"],
    run: compareParts,
  },
];

export type RecipientRole = {
  readonly kind: "vector" | "part";
  /** What comes before the endings: folder and common name. */
  readonly stem: string;
  readonly group: Group;
};

/** Null when the file is not of any group. */
export function findRecipientRole(path: string): RecipientRole | null {
  for (const group of GROUPS) {
    for (const ending of [group.value, ...group.parts]) {
      if (!path.endsWith(ending)) continue;
      const kind = ending === group.value ? "vector" : "part";
      return { kind, stem: path.slice(0, -ending.length), group };
    }
  }
  return null;
}

/** Whether the value that this file is a part of is there, and will run. */
export function hasVectorOf({ stem, group }: RecipientRole): boolean {
  return existsSync(stem + group.value);
}

export async function runRecipientVector(role: RecipientRole, value: Uint8Array): Promise<Verdict> {
  const { stem, group } = role;
  const missing = group.parts.filter((ending) => !existsSync(stem + ending));
  if (missing.length > 0) return failed(`no file beside it that ends in ${missing.join(", ")}`);
  return group.run(
    value,
    group.parts.map((ending) => new Uint8Array(readFileSync(stem + ending))),
  );
}

async function openValue(value: Uint8Array, parts: readonly Uint8Array[]): Promise<Verdict> {
  const [pem = new Uint8Array(0), plaintext = new Uint8Array(0)] = parts;
  const key = recipientKeyOf(createPrivateKey(Buffer.from(pem)));
  const opened = openCiphertextForRecipient(value, key);
  if (!opened.ok) return failed(opened.error.code);
  if (!isEqualBytes(opened.value, plaintext)) return failed("opens to something else");
  const other = openCiphertextForRecipient(value, await generateRecipientKey());
  if (other.ok) return failed("opens with another key too");
  return passed("opens to the plaintext, with its key only");
}

function compareParts(value: Uint8Array, parts: readonly Uint8Array[]): Verdict {
  const envelope = parseEnvelope(value);
  if (!envelope.ok) return failed(envelope.error.code);
  const { ciphertext, encryptedKey, initialVector } = envelope.value;
  const found = [concatBytes(...ciphertext), encryptedKey, initialVector];
  const names = ["ciphertext", "encrypted key", "initial vector"];
  const wrong = names.filter((_, index) => {
    const [expected, actual] = [parts[index], found[index]];
    return expected === undefined || actual === undefined || !isEqualBytes(expected, actual);
  });
  if (wrong.length > 0) return failed(`another ${wrong.join(", ")}`);
  return passed("the parts are equal");
}
