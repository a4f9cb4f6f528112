import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createNsm } from "../../../../enclave/attestation/nsm.ts";
import type { NsmDevice } from "../../../../enclave/core/ports.ts";
import { type CborValue, encodeCbor } from "../../../../shared/bytes/cbor.ts";
import { concatBytes } from "../../../../shared/bytes/compare.ts";
import { encodeHex, parseHex } from "../../../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../../../shared/errors.ts";
import { InvariantError } from "../../../../shared/invariant.ts";
import { ATTESTATION_BYTES_MAX, NSM_RESPONSE_BYTES_MAX } from "../../../../shared/limits.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";

const PCR = new Uint8Array(48).fill(9);
const NO_FIELDS = { userData: null, nonce: null, publicKey: null };

function bytesOf(hex: string): Uint8Array {
  const parsed = parseHex(hex.replaceAll(" ", ""));
  assert.ok(parsed.ok);
  return parsed.value;
}

function answering(response: Uint8Array): { nsm: ReturnType<typeof createNsm>; sent: string[] } {
  const sent: string[] = [];
  const device: NsmDevice = {
    request: (bytes) => {
      sent.push(encodeHex(bytes));
      return Promise.resolve(ok(response));
    },
  };
  return { nsm: createNsm(device), sent };
}

function answerOf(command: string, fields: readonly (readonly [string, CborValue])[]): Uint8Array {
  return encodeCbor(
    new Map<CborValue, CborValue>([[command, new Map<CborValue, CborValue>(fields)]]),
  );
}

function codeOf(result: Result<unknown, Refusal>): string {
  return result.ok ? "OK" : result.error.code;
}

const DESCRIBED = answerOf("DescribePCR", [
  ["lock", true],
  ["data", PCR],
]);
const EXTENDED = answerOf("ExtendPCR", [["data", PCR]]);
const LOCKED = encodeCbor("LockPCR");
const ATTESTED = answerOf("Attestation", [["document", Uint8Array.of(1, 2)]]);

describe("requests to the NSM", () => {
  test("DescribePCR is byte for byte that of AWS's library", async () => {
    const { nsm, sent } = answering(DESCRIBED);
    await nsm.describePcr(0);
    await nsm.describePcr(31);
    assert.deepEqual(sent, [
      "a16b4465736372696265504352a165696e64657800",
      "a16b4465736372696265504352a165696e646578181f",
    ]);
  });

  test("ExtendPCR is byte for byte that of AWS's library", async () => {
    const { nsm, sent } = answering(EXTENDED);
    await nsm.extendPcr(16, Uint8Array.of(1, 2, 3));
    assert.deepEqual(sent, ["a169457874656e64504352a265696e64657810646461746143010203"]);
  });

  test("LockPCR is byte for byte that of AWS's library", async () => {
    const { nsm, sent } = answering(LOCKED);
    await nsm.lockPcr(16);
    assert.deepEqual(sent, ["a1674c6f636b504352a165696e64657810"]);
  });

  test("Attestation is byte for byte that of AWS's library, with and without fields", async () => {
    const { nsm, sent } = answering(ATTESTED);
    await nsm.attest(NO_FIELDS);
    await nsm.attest({
      userData: Uint8Array.of(1),
      nonce: new Uint8Array(),
      publicKey: Uint8Array.of(2, 3),
    });
    assert.deepEqual(sent, [
      "a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365f66a7075626c69635f6b6579f6",
      "a16b4174746573746174696f6ea369757365725f646174614101656e6f6e6365406a7075626c69635f6b6579420203",
    ]);
  });

  test("out of range are bugs of the caller", async () => {
    const { nsm, sent } = answering(ATTESTED);
    for (const index of [-1, 32, 0.5]) {
      await assert.rejects(nsm.describePcr(index), InvariantError);
      await assert.rejects(nsm.lockPcr(index), InvariantError);
      await assert.rejects(nsm.extendPcr(index, PCR), InvariantError);
    }
    await assert.rejects(nsm.extendPcr(16, new Uint8Array(4096)), InvariantError);
    const large = new Uint8Array(513);
    for (const name of ["userData", "nonce", "publicKey"] as const) {
      await assert.rejects(nsm.attest({ ...NO_FIELDS, [name]: large }), InvariantError);
      assert.equal(codeOf(await nsm.attest({ ...NO_FIELDS, [name]: large.subarray(1) })), "OK");
    }
    await assert.rejects(nsm.attest({ ...NO_FIELDS, publicKey: new Uint8Array() }), InvariantError);
    assert.equal(sent.length, 3);
  });
});

describe("answers of the NSM", () => {
  test("are read in any order and of any length form", async () => {
    const fields = [encodeCbor("data"), encodeCbor(PCR), encodeCbor("lock"), encodeCbor(false)];
    const head = bytesOf("bf 6b 4465736372696265504352 bf");
    const response = concatBytes(head, ...fields, bytesOf("ff ff"));
    const described = await answering(response).nsm.describePcr(1);
    assert.ok(described.ok);
    assert.deepEqual(described.value, { isLocked: false, digest: PCR });
  });

  test("are copied out of the response", async () => {
    const response = Uint8Array.from(EXTENDED);
    const extended = await answering(response).nsm.extendPcr(16, PCR);
    response.fill(0);
    assert.ok(extended.ok);
    assert.deepEqual(extended.value, PCR);
    const document = Uint8Array.from(ATTESTED);
    const attested = await answering(document).nsm.attest(NO_FIELDS);
    document.fill(0);
    assert.ok(attested.ok);
    assert.deepEqual(attested.value, Uint8Array.of(1, 2));
  });

  test("LockPCR answers null", async () => {
    assert.deepEqual(await answering(LOCKED).nsm.lockPcr(16), ok(null));
  });

  const calls: Readonly<
    Record<string, (response: Uint8Array) => Promise<Result<unknown, Refusal>>>
  > = {
    DescribePCR: (response) => answering(response).nsm.describePcr(16),
    ExtendPCR: (response) => answering(response).nsm.extendPcr(16, PCR),
    LockPCR: (response) => answering(response).nsm.lockPcr(16),
    Attestation: (response) => answering(response).nsm.attest(NO_FIELDS),
  };

  const malformed: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", new Uint8Array()],
    ["null", encodeCbor(null)],
    ["a bare text", encodeCbor("LockPCRs")],
    ["an empty map", encodeCbor(new Map())],
    ["an array", encodeCbor([])],
    ["an error that is no text", encodeCbor(new Map([["Error", 1]]))],
    ["an answer to another command", answerOf("GetRandom", [["random", PCR]])],
    ["bytes after the answer", concatBytes(encodeCbor("LockPCR"), Uint8Array.of(0))],
    ["an answer beyond the buffer", new Uint8Array(NSM_RESPONSE_BYTES_MAX + 1)],
  ];
  const errors = ["InvalidIndex", "ReadOnlyIndex", "InternalError", "SomethingNew"];
  for (const [command, call] of Object.entries(calls)) {
    test(`${command} tells refusals from malformed answers`, async () => {
      for (const error of errors) {
        assert.equal(codeOf(await call(encodeCbor(new Map([["Error", error]])))), "NSM_REFUSED");
      }
      for (const [name, response] of malformed) {
        assert.equal(codeOf(await call(response)), "NSM_MALFORMED", name);
      }
      const two = new Map([
        ["Error", "InternalError"],
        [command, "x"],
      ]);
      assert.equal(codeOf(await call(encodeCbor(two))), "NSM_MALFORMED");
    });
  }

  const wrongFields: readonly (readonly [string, string, Uint8Array])[] = [
    ["no lock", "DescribePCR", answerOf("DescribePCR", [["data", PCR]])],
    [
      "a lock that is no flag",
      "DescribePCR",
      pcrAnswer([
        ["lock", 1],
        ["data", PCR],
      ]),
    ],
    [
      "a PCR of 32 bytes",
      "DescribePCR",
      pcrAnswer([
        ["lock", true],
        ["data", PCR.subarray(16)],
      ]),
    ],
    [
      "a field more",
      "DescribePCR",
      pcrAnswer([
        ["lock", true],
        ["data", PCR],
        ["x", 1],
      ]),
    ],
    [
      "another field",
      "DescribePCR",
      pcrAnswer([
        ["lock", true],
        ["date", PCR],
      ]),
    ],
    ["no data", "ExtendPCR", answerOf("ExtendPCR", [])],
    ["data as text", "ExtendPCR", answerOf("ExtendPCR", [["data", "x"]])],
    ["a map for LockPCR", "LockPCR", answerOf("LockPCR", [])],
    ["an empty document", "Attestation", answerOf("Attestation", [["document", new Uint8Array()]])],
    ["a null document", "Attestation", answerOf("Attestation", [["document", null]])],
  ];
  function pcrAnswer(fields: readonly (readonly [string, CborValue])[]): Uint8Array {
    return answerOf("DescribePCR", fields);
  }
  for (const [name, command, response] of wrongFields) {
    test(`${command} with ${name} is malformed`, async () => {
      const call = calls[command];
      assert.ok(call !== undefined);
      assert.equal(codeOf(await call(response)), "NSM_MALFORMED");
    });
  }

  test("a response buffer is smaller than the largest document, so it bounds documents", () => {
    assert.ok(NSM_RESPONSE_BYTES_MAX < ATTESTATION_BYTES_MAX);
  });

  test("a device that does not answer stays unavailable, and is not asked again", async () => {
    let asked = 0;
    const nsm = createNsm({
      request: () => {
        asked += 1;
        return Promise.resolve(err(refusal("NSM_UNAVAILABLE")));
      },
    });
    assert.equal(codeOf(await nsm.describePcr(0)), "NSM_UNAVAILABLE");
    assert.equal(codeOf(await nsm.attest(NO_FIELDS)), "NSM_UNAVAILABLE");
    assert.equal(asked, 2);
  });
});
