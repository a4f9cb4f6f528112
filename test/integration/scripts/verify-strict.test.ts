// How strict `redoubt verify` is, through its own entry: the real documents where they are there,
// and documents of our own, each whole and changed in every way that we know of.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runVerify } from "../../../scripts/cli/verify.ts";
import { encodeCertificatePem } from "../../../scripts/local/certificate-issuer.ts";
import { AWS_NITRO_ROOT_G1 } from "../../../shared/attestation/aws-root.ts";
import { concatBytes } from "../../../shared/bytes/compare.ts";
import { encodeHex } from "../../../shared/bytes/hex.ts";
import { encodeUtc } from "../../../shared/bytes/utc.ts";
import { DAY_MS, documentOf, NONCE, NOW_MS, ROOT } from "../../fakes/attestation-fixture.ts";
import { changesOf, flipped } from "../../fakes/document-change.ts";
import { SUBJECTS } from "../../fakes/document-subject.ts";
import { signedDocuments } from "../../fakes/signed-document.ts";

/** Spread over each document: every one is a whole run of the command. */
const FLIP_COUNT = 48;

let folder = "";
let count = 0;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-strict-"));
});

after(() => rmSync(folder, { recursive: true }));

function fileOf(content: string | Uint8Array): string {
  count += 1;
  const path = join(folder, String(count));
  writeFileSync(path, content);
  return path;
}

/** `OK`, or the code of the first check that fails; both by the exit code too. */
async function codeOf(bytes: Uint8Array, args: readonly string[]): Promise<string> {
  const { exitCode, stdout } = await runVerify([fileOf(bytes), ...args, "--json"]);
  assert.notEqual(exitCode, 2);
  const first = /"code":"([A-Z_]+)"/.exec(stdout)?.[1];
  assert.equal(exitCode === 0, first === undefined, stdout);
  assert.equal(stdout.startsWith(`{"ok":${String(exitCode === 0)},`), true);
  return first ?? "OK";
}

function rootArgs(der: Uint8Array): readonly string[] {
  return ["--root", fileOf(encodeCertificatePem(der))];
}

function at(ms: number): readonly string[] {
  return ["--at", encodeUtc(ms)];
}

for (const { name, bytes, timestampMs, isDebug, nonce, rootDer } of SUBJECTS) {
  describe(`redoubt verify of ${name}`, () => {
    let root: readonly string[] = [];
    let debug: readonly string[] = [];
    let own: readonly string[] = [];

    before(() => {
      // AWS's is what the command takes without being told.
      root = rootDer === AWS_NITRO_ROOT_G1 ? [] : rootArgs(rootDer);
      debug = isDebug ? ["--allow-debug"] : [];
      own = [...root, ...debug, ...at(timestampMs)];
    });

    test("accepts it at its own time, in debug mode only when told so", async () => {
      assert.equal(await codeOf(bytes, own), "OK");
      assert.equal(
        await codeOf(bytes, [...root, ...at(timestampMs)]),
        isDebug ? "ATTEST_DEBUG" : "OK",
      );
    });

    test("refuses it when its chain has expired, or is not valid yet", async () => {
      for (const ms of [timestampMs + DAY_MS, timestampMs - DAY_MS]) {
        assert.equal(await codeOf(bytes, [...root, ...debug, ...at(ms)]), "ATTEST_CHAIN_EXPIRED");
      }
      assert.equal(await codeOf(bytes, [...root, ...debug]), "ATTEST_CHAIN_EXPIRED");
    });

    test("refuses it under another root", async () => {
      const otherDer = rootDer === AWS_NITRO_ROOT_G1 ? ROOT.der : AWS_NITRO_ROOT_G1;
      const other = [...rootArgs(otherDer), ...debug, ...at(timestampMs)];
      assert.equal(await codeOf(bytes, other), "ATTEST_ROOT");
    });

    test("refuses a nonce that is not its own, however close", async () => {
      const base = nonce ?? Uint8Array.of(0);
      const others = [Uint8Array.of(1), flipped(base, 0, 0), concatBytes(base, Uint8Array.of(0))];
      for (const other of others) {
        const code = await codeOf(bytes, [...own, "--nonce", encodeHex(other)]);
        assert.equal(code, "ATTEST_NONCE");
      }
      if (nonce !== null) {
        assert.equal(await codeOf(bytes, [...own, "--nonce", encodeHex(nonce)]), "OK");
      }
    });

    test("refuses another image, and one that it does not state", async () => {
      for (const index of [0, 1, 2, 16]) {
        const pin = ["--pcr", `${index}=${"5a".repeat(48)}`];
        assert.equal(await codeOf(bytes, [...own, ...pin]), "ATTEST_PCR");
      }
    });

    for (const { what, bytes: changed, expected } of changesOf(bytes)) {
      test(`answers ${expected} to it ${what}`, async () => {
        assert.equal(await codeOf(changed, own), expected);
      });
    }

    test(`refuses it with a bit flipped, at ${FLIP_COUNT} places`, async () => {
      for (let flip = 0; flip < FLIP_COUNT; flip++) {
        const index = Math.floor((flip * (bytes.length - 1)) / (FLIP_COUNT - 1));
        const code = await codeOf(flipped(bytes, index, (flip * 5) % 8), own);
        assert.notEqual(code, "OK", `byte ${index}`);
      }
    });
  });
}

describe("redoubt verify of documents whose signature holds", () => {
  for (const { what, bytes, rootDer, expected } of signedDocuments()) {
    test(`answers ${expected} to ${what}`, async () => {
      const args = ["--at", encodeUtc(NOW_MS), "--nonce", encodeHex(NONCE)];
      assert.equal(await codeOf(bytes, [...rootArgs(rootDer), ...args]), expected);
    });
  }

  test("tells no nonce from an empty one, and asks for neither unless told", async () => {
    const args = [...rootArgs(ROOT.der), "--at", encodeUtc(NOW_MS)];
    for (const nonce of [null, new Uint8Array()]) {
      const bytes = documentOf({ nonce });
      assert.equal(await codeOf(bytes, args), "OK");
      assert.equal(await codeOf(bytes, [...args, "--nonce", "00"]), "ATTEST_NONCE");
    }
    const { exitCode } = await runVerify([fileOf(documentOf()), ...args, "--nonce", ""]);
    assert.equal(exitCode, 2);
  });
});

test("the real documents were among them", (context) => {
  const real = SUBJECTS.filter(({ rootDer }) => rootDer === AWS_NITRO_ROOT_G1);
  context.diagnostic(
    `${real.length} real documents and ${SUBJECTS.length - real.length} of our own`,
  );
});
