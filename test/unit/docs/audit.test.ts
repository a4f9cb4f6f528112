// The checklist of docs/audit.md against the code, both ways: steps without gaps, each cited where
// the page says, no citation of a step that is not there, the names and codes of checks; and the
// worked examples, computed anew.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runVerify } from "../../../scripts/cli/verify.ts";
import { encodeCertificatePem } from "../../../scripts/local/certificate-issuer.ts";
import { encodeRelease } from "../../../scripts/release/record.ts";
import { parsePath, validityOf } from "../../../shared/attestation/chain.ts";
import {
  type AttestationDocument,
  encodeSignatureInput,
  parseDocument,
} from "../../../shared/attestation/document.ts";
import { manifestPcr } from "../../../shared/attestation/pcr.ts";
import { encodeStatement, keySetDigest } from "../../../shared/attestation/statement.ts";
import { isZeroBytes } from "../../../shared/bytes/compare.ts";
import { encodeHex } from "../../../shared/bytes/hex.ts";
import { encodeUtc } from "../../../shared/bytes/utc.ts";
import {
  documentOf,
  NOW_MS,
  ROOT as PKI,
  readAttestationVectors,
} from "../../fakes/attestation-fixture.ts";
import { changesOf } from "../../fakes/document-change.ts";
import { RELEASE } from "../../fakes/release-record.ts";
import { whyNoVectors } from "../../fakes/shared-vectors.ts";
import { signedDocuments } from "../../fakes/signed-document.ts";
import { CODE } from "../../tidy/tree.ts";
import { blocksOf, partOf, readPage } from "./page.ts";

type Step = {
  readonly id: string;
  readonly title: string;
  /** Files that do it; empty when people do. */
  readonly files: readonly string[];
  readonly code: string | null;
};

const STEPS: readonly Step[] = readPage("audit.md")
  .split(/^### (?=A\d)/m)
  .slice(1)
  .map((section) => {
    const [heading = "", , first = ""] = section.split("\n");
    const [, id = "", title = ""] = /^(A\d+) (.+)$/.exec(heading) ?? [];
    const byCode = /^Code: (`[^.]+\.ts`(?:, `[^`]+`)*)\.(?: Fails as `([A-Z_]+)`\.)?$/.exec(first);
    const isByHand = first.startsWith("By hand. ");
    assert.ok(byCode !== null || isByHand, `${id} says who does it`);
    const files = [...(byCode?.[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, path = ""]) => path);
    return { id, title, files, code: byCode?.[2] ?? null };
  });

const CITATIONS = CODE.filter(({ path }) => !path.startsWith("test/")).flatMap(({ path, text }) =>
  [...text.matchAll(/\baudit (A\d+)\b/g)].map(([, id = ""]) => `${id} ${path}`),
);

describe("the steps of docs/audit.md", () => {
  test("are numbered without gaps", () => {
    assert.ok(STEPS.length > 20);
    assert.deepEqual(
      STEPS.map(({ id }) => id),
      STEPS.map((_, index) => `A${index + 1}`),
    );
  });

  test("are cited in exactly the files that they name", () => {
    const named = STEPS.flatMap(({ id, files }) => files.map((path) => `${id} ${path}`));
    assert.deepEqual([...new Set(CITATIONS)].toSorted(), named.toSorted());
  });
});

let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-audit-"));
});

after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

type Printed = {
  readonly checks: readonly { readonly name: string; readonly code: string | null }[];
};

/** `name CODE` of every check that fails for a document and what is expected of it. */
async function failuresOf(bytes: Uint8Array, rootDer: Uint8Array, ...args: readonly string[]) {
  const root = ["--root", fileOf("root.pem", encodeCertificatePem(rootDer))];
  const at = ["--at", encodeUtc(NOW_MS), "--json"];
  const { stdout } = await runVerify([fileOf("document", bytes), ...root, ...at, ...args]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own output
  const { checks } = JSON.parse(stdout) as Printed;
  return checks.flatMap(({ name, code }) => (code === null ? [] : [`${name} ${code}`]));
}

test("docs/audit.md names every check that can fail, with its code, and no other", async () => {
  const seen = new Set<string>();
  const add = (names: readonly string[]) => {
    for (const name of names) seen.add(name.replace(/^pcr\d+ /, "pcrN "));
  };
  const nonce = ["--nonce", "07".repeat(32), "--max-age", "60"];
  for (const { bytes, rootDer } of signedDocuments())
    add(await failuresOf(bytes, rootDer, ...nonce));
  for (const { bytes } of changesOf(documentOf())) add(await failuresOf(bytes, PKI.der));
  const statement = {
    bootId: new Uint8Array(16),
    keySet: new Uint8Array(48),
    keyCount: 0,
    manifest: new Uint8Array(48),
    software: "redoubt/0.0.0",
  };
  const own = documentOf({ userData: encodeStatement(statement) });
  const answer = {
    document: Buffer.from(own).toString("base64"),
    manifest: "e30=",
    publicKeys: [],
  };
  const release = fileOf("release.json", encodeRelease(RELEASE));
  const expected = ["--release", release, "--keys", fileOf("keys.json", "[]")];
  add(await failuresOf(Buffer.from(JSON.stringify(answer)), PKI.der, ...expected));
  add(await failuresOf(documentOf(), PKI.der, ...expected));
  const named = STEPS.flatMap(({ title, code }) => {
    const name = /^`(.+?)`/.exec(title)?.[1];
    return name === undefined || code === null ? [] : [`${name} ${code}`];
  });
  assert.deepEqual([...seen].toSorted(), [...new Set(named)].toSorted());
});

function sha(algorithm: "sha256" | "sha384", bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

function lengthOf(value: Uint8Array | null): string {
  return value === null ? "null" : `of ${value.length} bytes`;
}

/** The rows of the worked example, from a document. */
function exampleOf(bytes: Uint8Array, document: AttestationDocument): string {
  const { payload, signature, timestampMs, moduleId, cabundle, certificate, pcrs } = document;
  const path = parsePath(cabundle, certificate);
  assert.ok(path.ok);
  const offset = payload.byteOffset - bytes.byteOffset;
  const input = encodeSignatureInput(payload);
  const validity = validityOf(path.value);
  const rows = [
    ["A1", `${bytes.length} bytes, SHA-256 \`${sha("sha256", bytes)}\``],
    [
      "A2",
      `begins \`${encodeHex(bytes.subarray(0, 12))}\`: untagged; payload of ${payload.length} bytes at offset ${offset}, SHA-384 \`${sha("sha384", payload)}\``,
    ],
    ["A4", `payload begins \`${encodeHex(payload.subarray(0, 1))}\`: a map of indefinite length`],
    ["A4", `\`module_id\` is \`${moduleId}\``],
    ["A4", `\`timestamp\` is ${timestampMs}, which is ${encodeUtc(timestampMs)}`],
    [
      "A4",
      `\`pcrs\` are 0 to ${pcrs.size - 1}; \`public_key\` ${lengthOf(document.publicKey)}; \`user_data\` ${lengthOf(document.userData)}; \`nonce\` ${lengthOf(document.nonce)}`,
    ],
    ...path.value.map(({ der, isAuthority, pathLengthMax }, index) => {
      const right = isAuthority ? `path length ${pathLengthMax ?? "none"}` : "no authority";
      const text = `certificate ${index}: ${der.length} bytes, SHA-256 \`${sha("sha256", der)}\`, ${right}`;
      return [index === 0 ? "A6" : "A7", text];
    }),
    [
      "A8",
      `all valid from ${encodeUtc(validity.notBeforeMs)} to ${encodeUtc(validity.notAfterMs)}`,
    ],
    [
      "A10",
      `Sig_structure of ${input.length} bytes, begins \`${encodeHex(input.subarray(0, 23))}\`, SHA-384 \`${sha("sha384", input)}\``,
    ],
    ["A10", `signature \`${encodeHex(signature)}\``],
    ...[...pcrs]
      .filter(([, value]) => !isZeroBytes(value))
      .map(([index, value]) => ["A13", `PCR${index} \`${encodeHex(value)}\``]),
  ];
  return tableOf(rows);
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const lines = rows.map((cells) => `| ${cells.join(" | ")} |\n`);
  return `\n| step | value |\n| --- | --- |\n${lines.join("")}\n`;
}

const EXAMPLE = "base-nitro-validator-2026-01-indef.bin";
const VECTOR = readAttestationVectors().find(({ name }) => name === EXAMPLE);
const WHY_NOT = whyNoVectors(join("attestation-documents", EXAMPLE));

describe("the worked example of docs/audit.md", () => {
  const [, commands = "", verification = ""] = blocksOf("audit.md", "sh").slice(-3);
  const bytes = VECTOR?.bytes ?? new Uint8Array();

  test("is what the document holds", { skip: WHY_NOT }, () => {
    const parsed = parseDocument(bytes);
    assert.ok(parsed.ok);
    assert.equal(partOf("audit.md", "example"), exampleOf(bytes, parsed.value));
  });

  test("has commands that print what it says", { skip: WHY_NOT }, (context) => {
    fileOf(EXAMPLE, bytes);
    const { status, stdout } = spawnSync("sh", ["-c", commands], { cwd: folder, encoding: "utf8" });
    if (status !== 0) {
      context.skip("no openssl");
      return;
    }
    const digests = stdout.match(/^[0-9a-f]{96}/gm) ?? [];
    assert.equal(digests.length, 2);
    for (const digest of digests) assert.ok(partOf("audit.md", "example").includes(digest));
  });

  test("verifies with the command that it states", { skip: WHY_NOT }, async () => {
    const [program, name, file = "", ...args] = verification
      .replaceAll("\\\n", "")
      .trim()
      .split(/ +/);
    assert.deepEqual([program, name, file], ["scripts/redoubt", "verify", EXAMPLE]);
    const { exitCode, stdout } = await runVerify([fileOf(file, bytes), ...args]);
    assert.equal(exitCode, 0, stdout);
  });
});

test("the made-up statement of docs/audit.md is what an enclave would state", () => {
  const measured = Buffer.from('{"redoubt":1}\n');
  const manifest = new Uint8Array(createHash("sha384").update(measured).digest());
  const keys = [0x97, 0x8a].map(
    (byte) => ({ scheme: "bls12381-pop", publicKey: new Uint8Array(48).fill(byte) }) as const,
  );
  const keySet = keySetDigest(keys);
  const bootId = Uint8Array.from({ length: 16 }, (_, index) => index);
  const software = "redoubt/0.1.0";
  const statement = encodeStatement({ bootId, keySet, keyCount: 2, manifest, software });
  const rows = [
    ["A16", `\`${encodeHex(statement)}\``],
    ["A17", `PCR16 \`${encodeHex(manifestPcr(manifest))}\``],
    ["A18", `SHA-384 \`${encodeHex(manifest)}\``],
    ["A19", `SHA-384 \`${encodeHex(keySet)}\`; of no keys \`${encodeHex(keySetDigest([]))}\``],
  ];
  assert.equal(partOf("audit.md", "statement"), tableOf(rows));
});
