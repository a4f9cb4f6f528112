import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createNsm } from "../../../../enclave/attestation/nsm.ts";
import { runVerify } from "../../../../scripts/cli/verify.ts";
import { encodeCertificatePem } from "../../../../scripts/local/certificate-issuer.ts";
import { NsmSimulator, sampleMeasurements } from "../../../../scripts/local/nsm-simulator.ts";
import { MANIFEST_PCR_INDEX } from "../../../../shared/attestation/pcr.ts";
import { encodeStatement, keySetDigest } from "../../../../shared/attestation/statement.ts";
import { encodeHex, parseHex } from "../../../../shared/bytes/hex.ts";
import { encodeUtc } from "../../../../shared/bytes/utc.ts";
import {
  documentOf,
  NOW_MS,
  ROOT,
  readAttestationVectors,
} from "../../../fakes/attestation-fixture.ts";

const MANIFEST = new TextEncoder().encode('{"chain":"test"}');
const DIGEST = new Uint8Array(createHash("sha384").update(MANIFEST).digest());
const KEYS = [1, 2].map(
  (first) => ({ scheme: "bls12381-pop", publicKey: new Uint8Array(48).fill(first) }) as const,
);
const PCRS = sampleMeasurements("verify");
const HEX_PCR = "ab".repeat(48);

type Answer = { document: string; manifest: string; publicKeys: readonly string[]; extra?: number };

/** What a signer that measured MANIFEST and holds KEYS answers. */
async function answerOver(nonce: Uint8Array | null, nowMs: number): Promise<Answer> {
  const options = { root: ROOT, nowMs: () => nowMs, pcrs: PCRS, isDebug: false };
  const nsm = createNsm(new NsmSimulator(options).device());
  await nsm.extendPcr(MANIFEST_PCR_INDEX, DIGEST);
  await nsm.lockPcr(MANIFEST_PCR_INDEX);
  const userData = encodeStatement({
    bootId: new Uint8Array(16),
    keySet: keySetDigest(KEYS),
    keyCount: KEYS.length,
    manifest: DIGEST,
    software: "redoubt test",
  });
  const document = await nsm.attest({ userData, nonce, publicKey: null });
  assert.ok(document.ok);
  return {
    document: Buffer.from(document.value).toString("base64"),
    manifest: Buffer.from(MANIFEST).toString("base64"),
    publicKeys: KEYS.map((key) => `0x${encodeHex(key.publicKey)}`),
    extra: 1,
  };
}

let folder = "";
let rootPath = "";
const AT = encodeUtc(NOW_MS);

before(() => {
  folder = mkdtempSync(join(tmpdir(), "redoubt-verify-"));
  rootPath = fileOf("root.pem", encodeCertificatePem(ROOT.der));
});

after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

type Printed = {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly code: string | null }[];
};

async function verify(...args: readonly string[]) {
  const { exitCode, stdout } = await runVerify([...args, "--json"]);
  const printed: unknown = stdout === "" ? null : JSON.parse(stdout);
  if (!isPrinted(printed)) return { exitCode, codes: [], names: [] };
  assert.equal(printed.ok, exitCode === 0);
  return {
    exitCode,
    codes: printed.checks.flatMap((check) => check.code ?? []),
    names: printed.checks.map((check) => check.name),
  };
}

function isPrinted(value: unknown): value is Printed {
  return typeof value === "object" && value !== null && "checks" in value && "ok" in value;
}

function timestampOf(bytes: Uint8Array): number {
  const at = Buffer.from(bytes).indexOf("timestamp");
  return Number(Buffer.from(bytes).readBigUInt64BE(at + 10));
}

describe("redoubt verify of a file", () => {
  test("passes a document and its evidence, in both forms", async () => {
    const answer = await answerOver(null, NOW_MS);
    const json = fileOf("answer.json", JSON.stringify(answer));
    const whole = await verify(json, "--root", rootPath, "--at", AT);
    assert.deepEqual([whole.exitCode, whole.codes], [0, []]);
    for (const name of ["statement", "manifest-pcr", "manifest", "keys"]) {
      assert.ok(whole.names.includes(name), name);
    }
    const bare = fileOf("bare.bin", Buffer.from(answer.document, "base64"));
    const raw = await verify(bare, "--root", rootPath, "--at", AT);
    assert.deepEqual([raw.exitCode, raw.codes], [0, []]);
    assert.ok(raw.names.includes("manifest-pcr") && !raw.names.includes("manifest"));
    const other = fileOf("other.bin", documentOf());
    const foreign = await verify(other, "--root", rootPath, "--at", AT);
    assert.deepEqual([foreign.exitCode, foreign.names.includes("statement")], [0, false]);
  });

  test("pins PCRs, nonces, roots, times and ages", async () => {
    const nonce = Uint8Array.of(1, 2, 3);
    const path = fileOf("pins.json", JSON.stringify(await answerOver(nonce, NOW_MS)));
    const pcr0 = encodeHex(PCRS.get(0) ?? new Uint8Array());
    const base = [path, "--root", rootPath, "--at", AT];
    const late = encodeUtc(NOW_MS + 60_000);
    const rows: readonly (readonly [readonly string[], number, readonly string[]])[] = [
      [[...base, "--pcr", `0=${pcr0}`, "--nonce", "010203"], 0, []],
      [[...base, "--pcr", `0=${HEX_PCR}`], 1, ["ATTEST_PCR"]],
      [[...base, "--pcr", `0=${pcr0}`, "--pcr", `17=${HEX_PCR}`], 1, ["ATTEST_PCR"]],
      [[...base, "--nonce", "010204"], 1, ["ATTEST_NONCE"]],
      [[path, "--at", AT], 1, ["ATTEST_ROOT"]],
      [[path, "--root", rootPath, "--at", late], 0, []],
      [[path, "--root", rootPath, "--at", late, "--max-age", "60"], 0, []],
      [[path, "--root", rootPath, "--at", late, "--max-age", "59"], 1, ["ATTEST_TIME"]],
      [[path, "--root", rootPath], 1, ["ATTEST_CHAIN_EXPIRED"]],
    ];
    for (const [args, exitCode, codes] of rows) {
      const verdict = await verify(...args);
      assert.deepEqual([verdict.exitCode, verdict.codes], [exitCode, codes], args.join(" "));
    }
  });

  test("finds evidence that does not belong to the document", async () => {
    const answer = await answerOver(null, NOW_MS);
    const document = Buffer.from(documentOf({ nonce: null })).toString("base64");
    const rows: readonly (readonly [Partial<Answer>, readonly string[]])[] = [
      [{ manifest: Buffer.from("{}").toString("base64") }, ["ATTEST_USER_DATA"]],
      [{ publicKeys: answer.publicKeys.slice(1) }, ["ATTEST_USER_DATA"]],
      [{ publicKeys: [] }, ["ATTEST_USER_DATA"]],
      [{ document }, ["ATTEST_USER_DATA"]],
    ];
    for (const [change, codes] of rows) {
      const path = fileOf("evidence.json", JSON.stringify({ ...answer, ...change }));
      const verdict = await verify(path, "--root", rootPath, "--at", AT);
      assert.deepEqual([verdict.exitCode, verdict.codes], [1, codes]);
    }
  });

  test("fails on what is no document, and on wrong use", async () => {
    const empty = fileOf("empty", "");
    const brace = fileOf("brace", "{");
    assert.deepEqual((await verify(empty)).codes, ["ATTEST_SIZE"]);
    assert.equal((await verify(brace)).exitCode, 1);
    assert.equal((await verify(join(folder, "nothing"))).exitCode, 2);
    assert.equal((await verify(empty, "--root", empty)).exitCode, 2);
    assert.equal((await verify()).exitCode, 2);
  });

  for (const { name, bytes } of readAttestationVectors()) {
    test(`real document ${name} is expired now and holds at its own time`, async () => {
      const path = fileOf(name, bytes);
      const timestamp = timestampOf(bytes);
      const allow = name.startsWith("automata") ? ["--allow-debug"] : [];
      assert.deepEqual((await verify(path, ...allow)).codes, ["ATTEST_CHAIN_EXPIRED"]);
      const verdict = await verify(path, "--at", encodeUtc(timestamp), ...allow);
      assert.deepEqual([verdict.exitCode, verdict.codes], [0, []]);
    });
  }
});

type Handler = (request: IncomingMessage) => Promise<{ status: number; body: string | Buffer }>;

function nonceOf(request: IncomingMessage): Uint8Array {
  const text = new URL(request.url ?? "", "http://x").searchParams.get("nonce");
  const nonce = parseHex(text ?? "");
  assert.ok(nonce.ok);
  return nonce.value;
}

const replay: Handler = async () => {
  const answer = await answerOver(Uint8Array.of(1), Date.now());
  return { status: 200, body: JSON.stringify(answer) };
};

const stale: Handler = async (request) => {
  const answer = await answerOver(nonceOf(request), Date.now() - 400_000);
  return { status: 200, body: JSON.stringify(answer) };
};

const refusing: Handler = () => Promise.resolve({ status: 503, body: "{}" });

async function serving(handler: Handler, run: (origin: string) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => {
    void handler(request).then(({ status, body }) => response.writeHead(status).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const address: AddressInfo | string | null = server.address();
    assert.ok(typeof address === "object" && address !== null);
    await run(`http://127.0.0.1:${address.port}`);
  } finally {
    server.close();
  }
}

describe("redoubt verify of a URL", () => {
  test("asks with a fresh nonce of 32 bytes, and passes what answers it", async () => {
    const asked: string[] = [];
    const handler: Handler = async (request) => {
      asked.push(request.url ?? "");
      const answer = await answerOver(nonceOf(request), Date.now());
      return { status: 200, body: JSON.stringify(answer) };
    };
    await serving(handler, async (origin) => {
      assert.deepEqual(
        await verify(origin, "--root", rootPath).then((v) => [v.exitCode, v.codes]),
        [0, []],
      );
      const given = await verify(`${origin}/other/path?x=1`, "--root", rootPath, "--nonce", "07");
      assert.equal(given.exitCode, 0);
    });
    assert.match(asked[0] ?? "", /^\/attestation\?nonce=[0-9a-f]{64}$/);
    assert.equal(asked[1], "/other/path?x=1&nonce=07");
  });

  test("fails on a replay, a stale document and a refusal", async () => {
    await serving(replay, async (origin) => {
      assert.deepEqual((await verify(origin, "--root", rootPath)).codes, ["ATTEST_NONCE"]);
    });
    await serving(stale, async (origin) => {
      assert.deepEqual((await verify(origin, "--root", rootPath)).codes, ["ATTEST_TIME"]);
      assert.equal((await verify(origin, "--root", rootPath, "--max-age", "500")).exitCode, 0);
    });
    await serving(refusing, async (origin) => {
      assert.equal((await verify(origin, "--root", rootPath)).exitCode, 1);
    });
  });
});

const empty: Handler = () => Promise.resolve({ status: 200, body: "" });

const bare: Handler = async (request) => {
  const { document } = await answerOver(nonceOf(request), Date.now());
  return { status: 200, body: Buffer.from(document, "base64") };
};

test("redoubt verify of a URL takes no bare document, which would be checked less", async () => {
  for (const handler of [empty, bare]) {
    await serving(handler, async (origin) => {
      assert.equal((await verify(origin, "--root", rootPath)).exitCode, 1);
    });
  }
});

test("redoubt verify prints its verdict for people, with a hint at expired files", async () => {
  const path = fileOf("people.bin", documentOf());
  const expired = await runVerify([path, "--root", rootPath]);
  assert.equal(expired.exitCode, 1);
  assert.match(expired.stdout, /^FAIL {2}validity .*ATTEST_CHAIN_EXPIRED/m);
  assert.ok(expired.stdout.includes(`--at ${AT}`));
  const good = await runVerify([path, "--root", rootPath, "--at", AT]);
  assert.equal(good.exitCode, 0);
  assert.match(good.stdout, /^verified$/m);
  const wrong = await runVerify(["--bad"]);
  assert.deepEqual([wrong.exitCode, wrong.stdout], [2, ""]);
});
