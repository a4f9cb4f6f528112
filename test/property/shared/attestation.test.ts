import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import {
  encodeDer,
  integer,
  octetString,
  sequence,
  time,
} from "../../../scripts/local/der-writer.ts";
import { parseCertificate } from "../../../shared/attestation/certificate.ts";
import { parseDocument } from "../../../shared/attestation/document.ts";
import { encodeStatement, parseStatement } from "../../../shared/attestation/statement.ts";
import { parseDer, timeMsOf } from "../../../shared/bytes/der.ts";
import { encodeUtc } from "../../../shared/bytes/utc.ts";
import { documentOf, FIELDS } from "../../fakes/attestation-fixture.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** A few bytes of it replaced, then cut: the parsers must answer, whatever they answer. */
function mangled(whole: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
  return fc
    .tuple(fc.array(edit, { maxLength: 4 }), fc.integer({ min: 0, max: whole.length }))
    .map(([edits, length]) => {
      const changed = Uint8Array.from(whole);
      for (const [index, byte] of edits) changed[index] = byte;
      return changed.subarray(0, length % 3 === 0 ? length : whole.length);
    });
}

describe("parsers of attestation", () => {
  test("are total: they answer to any bytes, near a document or far from it", () => {
    const parsers = [parseDocument, parseCertificate, parseStatement, parseDer];
    const inputs = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      mangled(documentOf()),
      mangled(FIELDS.certificate),
    );
    fc.assert(
      fc.property(inputs, (input) => {
        for (const parse of parsers) assert.equal(typeof parse(input).ok, "boolean");
      }),
      { numRuns: 1000 },
    );
  });

  test("statements come back as they were", () => {
    const statements = fc.record({
      bootId: bytes(16),
      keySet: bytes(48),
      manifest: bytes(48),
      keyCount: fc.nat(100_000),
      software: fc.stringMatching(/^[ -~]{1,64}$/),
    });
    fc.assert(
      fc.property(statements, (statement) => {
        const parsed = parseStatement(encodeStatement(statement));
        assert.ok(parsed.ok);
        assert.deepEqual(parsed.value, { ...statement });
      }),
    );
  });

  test("DER that was written is read again, byte for byte", () => {
    const leaf = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.array(fc.tuple(leaf, leaf), { maxLength: 5 }), (pairs) => {
        const items = pairs.map(([one, other]) => sequence(integer(one), octetString(other)));
        const der = encodeDer(0xa0, sequence(...items));
        const parsed = parseDer(der);
        assert.ok(parsed.ok);
        assert.deepEqual(parsed.value.raw, der);
        assert.equal(parsed.value.children[0]?.children.length, pairs.length);
      }),
    );
  });

  test("times of certificates come back to the second", () => {
    fc.assert(
      fc.property(fc.nat(253_402_300_799), (seconds) => {
        const ms = seconds * 1000;
        assert.equal(encodeUtc(ms), new Date(ms).toISOString());
        const parsed = parseDer(time(ms));
        assert.ok(parsed.ok);
        assert.equal(timeMsOf(parsed.value), ms);
      }),
    );
  });
});
