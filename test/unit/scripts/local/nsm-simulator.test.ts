import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { createNsm } from "../../../../enclave/attestation/nsm.ts";
import { NsmSimulator, sampleMeasurements } from "../../../../scripts/local/nsm-simulator.ts";
import { parseDocument } from "../../../../shared/attestation/document.ts";
import {
  type AttestationPolicy,
  verifyAttestation,
} from "../../../../shared/attestation/verify.ts";
import { type CborValue, encodeCbor, isMap, parseCbor } from "../../../../shared/bytes/cbor.ts";
import { encodeHex } from "../../../../shared/bytes/hex.ts";
import { NOW_MS, ROOT } from "../../../fakes/attestation-fixture.ts";

const ZEROS = new Uint8Array(48);
const DUMMY = Uint8Array.of(1, 2, 3);
const PCRS = sampleMeasurements("simulator");
const HOUR_MS = 3_600_000;

function boot(isDebug = false, nowMs: () => number = () => NOW_MS): NsmSimulator {
  return new NsmSimulator({ root: ROOT, nowMs, pcrs: PCRS, isDebug });
}

function ask(simulator: NsmSimulator, request: CborValue): CborValue {
  const parsed = parseCbor(simulator.request(encodeCbor(request)));
  assert.ok(parsed.ok);
  return parsed.value;
}

function command(name: string, fields: readonly (readonly [string, CborValue])[]): CborValue {
  return new Map<CborValue, CborValue>([[name, new Map<CborValue, CborValue>(fields)]]);
}

function errorOf(answer: CborValue): CborValue | undefined {
  return isMap(answer) ? answer.get("Error") : undefined;
}

function fieldOf(answer: CborValue, name: string, field: string): CborValue | undefined {
  const fields = isMap(answer) ? answer.get(name) : undefined;
  return isMap(fields) ? fields.get(field) : undefined;
}

function describePcr(simulator: NsmSimulator, index: number) {
  const answer = ask(simulator, command("DescribePCR", [["index", index]]));
  return {
    lock: fieldOf(answer, "DescribePCR", "lock"),
    data: fieldOf(answer, "DescribePCR", "data"),
  };
}

function extend(simulator: NsmSimulator, index: number): CborValue {
  return ask(
    simulator,
    command("ExtendPCR", [
      ["index", index],
      ["data", DUMMY],
    ]),
  );
}

function lock(simulator: NsmSimulator, index: number): CborValue {
  return ask(simulator, command("LockPCR", [["index", index]]));
}

function lockRange(simulator: NsmSimulator, range: number): CborValue {
  return ask(simulator, command("LockPCRs", [["range", range]]));
}

describe("a simulated NSM, by the steps of AWS's hardware test", () => {
  test("begins with PCR0, 1, 2 and 4 measured, 0 to 15 locked, the rest zero and open", () => {
    const simulator = boot();
    for (let index = 0; index < 32; index++) {
      const { lock, data } = describePcr(simulator, index);
      assert.equal(lock, index < 16);
      assert.ok(data instanceof Uint8Array);
      assert.equal(encodeHex(data) === encodeHex(ZEROS), ![0, 1, 2, 4].includes(index), `${index}`);
    }
  });

  test("locks none of 0 to 15 again, and each of 16 to 31 once", () => {
    const simulator = boot();
    for (let index = 0; index < 16; index++) {
      assert.equal(errorOf(lock(simulator, index)), "ReadOnlyIndex");
    }
    for (let index = 16; index < 32; index++) {
      assert.equal(lock(simulator, index), "LockPCR");
      assert.equal(errorOf(lock(simulator, index)), "ReadOnlyIndex");
    }
    assert.equal(lockRange(simulator, 32), "LockPCRs");
  });

  test("locks ranges up to 32 and not 33", () => {
    const simulator = boot();
    assert.equal(lockRange(simulator, 0), "LockPCRs");
    assert.equal(lockRange(simulator, 18), "LockPCRs");
    assert.deepEqual(
      [16, 17, 18].map((index) => describePcr(simulator, index).lock),
      [true, true, false],
    );
    assert.equal(lockRange(simulator, 32), "LockPCRs");
    assert.equal(describePcr(simulator, 31).lock, true);
    assert.equal(errorOf(lockRange(simulator, 33)), "InvalidIndex");
  });

  test("extends open registers by SHA384(old || data) again and again, and no locked one", () => {
    const simulator = boot();
    let expected: Uint8Array = ZEROS;
    for (let loop = 0; loop < 10; loop++) {
      expected = new Uint8Array(createHash("sha384").update(expected).update(DUMMY).digest());
      assert.deepEqual(fieldOf(extend(simulator, 20), "ExtendPCR", "data"), expected);
    }
    assert.deepEqual(describePcr(simulator, 20).data, expected);
    lock(simulator, 20);
    assert.equal(errorOf(extend(simulator, 20)), "ReadOnlyIndex");
    assert.deepEqual(describePcr(simulator, 20).data, expected);
    for (let index = 0; index < 16; index++) {
      assert.equal(errorOf(extend(simulator, index)), "ReadOnlyIndex");
    }
  });

  test("attests with 1024 bytes in each field, and refuses 1025", () => {
    const simulator = boot();
    for (const [length, isTaken] of [
      [1024, true],
      [1025, false],
    ] as const) {
      for (const name of ["user_data", "nonce", "public_key"]) {
        const answer = ask(simulator, command("Attestation", [[name, new Uint8Array(length)]]));
        assert.equal(errorOf(answer), isTaken ? undefined : "InputTooLarge");
      }
    }
    const all = ["user_data", "nonce", "public_key"].map(
      (name) => [name, new Uint8Array(1024)] as const,
    );
    const document = fieldOf(
      ask(simulator, command("Attestation", all)),
      "Attestation",
      "document",
    );
    assert.ok(document instanceof Uint8Array);
    assert.ok(parseDocument(document).ok);
    const empty = command("Attestation", [["public_key", new Uint8Array()]]);
    assert.equal(errorOf(ask(simulator, empty)), "InvalidArgument");
  });

  test("answers fresh randomness of 256 bytes, and describes itself", () => {
    const simulator = boot();
    const [one, other] = [0, 1].map(() =>
      fieldOf(ask(simulator, "GetRandom"), "GetRandom", "random"),
    );
    assert.ok(one instanceof Uint8Array && other instanceof Uint8Array);
    assert.equal(one.length, 256);
    assert.notDeepEqual(one, other);
    lock(simulator, 16);
    const described = ask(simulator, "DescribeNSM");
    const field = (name: string) => fieldOf(described, "DescribeNSM", name);
    assert.equal(field("max_pcrs"), 32);
    assert.equal(field("digest"), "SHA384");
    assert.deepEqual(
      field("locked_pcrs"),
      Array.from({ length: 17 }, (_, index) => index),
    );
    const moduleId = field("module_id");
    assert.ok(typeof moduleId === "string");
    assert.match(moduleId, /^i-[0-9a-f]{17}-enc[0-9a-f]{16}$/);
  });

  test("refuses what is no command of it", () => {
    const simulator = boot();
    const rows: readonly (readonly [CborValue, string])[] = [
      ["Nonsense", "InvalidOperation"],
      [null, "InvalidOperation"],
      [new Map(), "InvalidOperation"],
      [command("Nonsense", []), "InvalidOperation"],
      [new Map([["DescribePCR", 1]]), "InvalidOperation"],
      [command("DescribePCR", []), "InvalidOperation"],
      [command("DescribePCR", [["index", 32]]), "InvalidIndex"],
      [command("DescribePCR", [["index", -1]]), "InvalidOperation"],
      [command("LockPCR", [["index", 32]]), "InvalidIndex"],
      [
        command("ExtendPCR", [
          ["index", 32],
          ["data", DUMMY],
        ]),
        "InvalidIndex",
      ],
      [command("ExtendPCR", [["index", 16]]), "InvalidOperation"],
      [command("LockPCRs", [["range", "x"]]), "InvalidOperation"],
      [command("Attestation", [["nonce", 1]]), "InvalidOperation"],
    ];
    for (const [request, error] of rows) assert.equal(errorOf(ask(simulator, request)), error);
    const large = parseCbor(simulator.request(new Uint8Array(4097)));
    assert.ok(large.ok);
    assert.equal(errorOf(large.value), "InputTooLarge");
    assert.equal(describePcr(simulator, 16).lock, false);
  });
});

describe("documents of a simulated NSM", () => {
  const policy: AttestationPolicy = {
    rootDer: ROOT.der,
    atMs: NOW_MS,
    pcrs: PCRS,
    nonce: null,
    allowDebug: false,
    ageMsMax: 0,
    futureSkewMsMax: 0,
  };
  const noFields = { userData: null, nonce: null, publicKey: null };

  async function attest(simulator: NsmSimulator): Promise<Uint8Array> {
    const document = await createNsm(simulator.device()).attest(noFields);
    assert.ok(document.ok);
    return document.value;
  }

  test("have the byte layout of today's hardware", async () => {
    const text = encodeHex(await attest(boot()));
    const moduleIdHead = "696d6f64756c655f69647827";
    assert.match(text, new RegExp(`^8444a1013822a059[0-9a-f]{4}bf${moduleIdHead}`));
    const timestamp = NOW_MS.toString(16).padStart(16, "0");
    assert.ok(text.includes(`66646967657374665348413338346974696d657374616d701b${timestamp}`));
    assert.ok(text.includes("6470637273b0005830"));
    const tail = "6a7075626c69635f6b6579f669757365725f64617461f6656e6f6e6365f6ff5860";
    assert.equal(text.indexOf(tail), text.length - tail.length - 192);
  });

  test("verify under the simulator's root, and carry only locked registers", async () => {
    const simulator = boot();
    extend(simulator, 16);
    const before = verifyAttestation(await attest(simulator), policy);
    assert.ok(before.ok);
    assert.deepEqual(
      [...before.value.pcrs.keys()],
      Array.from({ length: 16 }, (_, index) => index),
    );
    lock(simulator, 16);
    const after = verifyAttestation(await attest(simulator), policy);
    assert.ok(after.ok);
    assert.equal(after.value.pcrs.size, 17);
    assert.deepEqual(after.value.pcrs.get(16), describePcr(simulator, 16).data);
  });

  test("of debug mode have zeros in PCR0 to PCR2 and are refused", async () => {
    const document = await attest(boot(true));
    const any = { ...policy, pcrs: "any" } as const;
    const verified = verifyAttestation(document, any);
    assert.equal(verified.ok ? "OK" : verified.error.code, "ATTEST_DEBUG");
    assert.ok(verifyAttestation(document, { ...any, allowDebug: true }).ok);
  });

  test("stay valid when the leaf of the boot has expired, for days", async () => {
    let nowMs = NOW_MS;
    const simulator = boot(false, () => nowMs);
    for (const hours of [0, 2, 3, 30, 24 * 30]) {
      nowMs = NOW_MS + hours * HOUR_MS;
      const verified = verifyAttestation(await attest(simulator), { ...policy, atMs: nowMs });
      assert.ok(verified.ok, `${hours} hours`);
    }
  });
});
