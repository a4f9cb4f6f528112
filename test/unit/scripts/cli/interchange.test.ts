import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import {
  encodeInterchange,
  type Interchange,
  parseInterchange,
} from "../../../../scripts/cli/interchange.ts";
import { INTERCHANGE_BYTES_MAX } from "../../../../shared/limits.ts";
import { SHARED_VECTORS, whyNoVectors } from "../../../fakes/shared-vectors.ts";

const NETWORK = `0x${"4b".repeat(32)}`;
const KEY_A = `0x${"a9".repeat(48)}`;
const KEY_B = `0x${"b8".repeat(48)}`;
const ROOT_1 = `0x${"11".repeat(32)}`;
const ROOT_2 = `0x${"22".repeat(32)}`;

const VECTOR = z.object({
  steps: z.array(
    z.object({
      interchange: z.looseObject({ data: z.array(z.looseObject({ pubkey: z.string() })) }),
    }),
  ),
});

type Block = { slot: unknown; signing_root?: unknown };
type Attestation = { source_epoch: unknown; target_epoch: unknown; signing_root?: unknown };

function entry(pubkey: unknown, blocks: readonly Block[], attestations: readonly Attestation[]) {
  return { pubkey, signed_blocks: blocks, signed_attestations: attestations };
}

function file(...data: readonly unknown[]): string {
  return JSON.stringify({
    metadata: { interchange_format_version: "5", genesis_validators_root: NETWORK },
    data,
  });
}

function parse(text: string) {
  return parseInterchange(new TextEncoder().encode(text));
}

function parseOk(text: string): Interchange {
  const parsed = parse(text);
  assert.ok(parsed.ok);
  return parsed.value;
}

function hex(bytes: Uint8Array | null | undefined): string | null {
  return bytes === null || bytes === undefined ? null : `0x${Buffer.from(bytes).toString("hex")}`;
}

function attestation(source: number, target: number, root?: string): Attestation {
  const entry = { source_epoch: String(source), target_epoch: String(target) };
  return root === undefined ? entry : { ...entry, signing_root: root };
}

describe("parseInterchange", () => {
  it("reads the example of EIP-3076", () => {
    const text = file(
      entry(
        KEY_A,
        [{ slot: "81952", signing_root: ROOT_1 }, { slot: "81951" }],
        [attestation(2290, 3007, ROOT_2), attestation(2290, 3006)],
      ),
    );
    const { genesisValidatorsRoot, keys } = parseOk(text);
    assert.equal(hex(genesisValidatorsRoot), NETWORK);
    assert.equal(keys.length, 1);
    assert.equal(hex(keys[0]?.key), KEY_A);
    assert.equal(keys[0]?.blockSlot, 81952n);
    assert.equal(hex(keys[0]?.blockRoot), ROOT_1);
    assert.equal(keys[0]?.source, 2290n);
    assert.equal(keys[0]?.target, 3007n);
    assert.equal(hex(keys[0]?.attestationRoot), ROOT_2);
  });

  it("takes any order of names, white space, upper-case digits and no data at all", () => {
    const { keys } = parseOk(
      ` {"data" : [ ] ,\r\n\t"metadata":{"genesis_validators_root":"0x${"4B".repeat(32)}","interchange_format_version":"5"}} \n`,
    );
    assert.deepEqual(keys, []);
  });

  it("takes the greatest source and the greatest target from different attestations", () => {
    const { keys } = parseOk(file(entry(KEY_A, [], [attestation(7, 8), attestation(3, 12)])));
    assert.equal(keys[0]?.source, 7n);
    assert.equal(keys[0]?.target, 12n);
  });

  it("keeps a root only when it is the one root at the maximum", () => {
    const rows: readonly [readonly Block[], string | null][] = [
      [[{ slot: "9", signing_root: ROOT_1 }], ROOT_1],
      [[{ slot: "9" }], null],
      [
        [
          { slot: "9", signing_root: ROOT_1 },
          { slot: "9", signing_root: ROOT_1 },
        ],
        ROOT_1,
      ],
      [
        [
          { slot: "9", signing_root: ROOT_1 },
          { slot: "9", signing_root: ROOT_2 },
        ],
        null,
      ],
      [[{ slot: "9", signing_root: ROOT_1 }, { slot: "9" }], null],
      [[{ slot: "9" }, { slot: "9", signing_root: ROOT_1 }], null],
      [
        [
          { slot: "9", signing_root: ROOT_1 },
          { slot: "9", signing_root: ROOT_2 },
          { slot: "9", signing_root: ROOT_1 },
        ],
        null,
      ],
      [
        [
          { slot: "8", signing_root: ROOT_1 },
          { slot: "9", signing_root: ROOT_2 },
        ],
        ROOT_2,
      ],
      [
        [
          { slot: "9", signing_root: ROOT_2 },
          { slot: "8", signing_root: ROOT_1 },
        ],
        ROOT_2,
      ],
    ];
    for (const [blocks, expected] of rows) {
      const { keys } = parseOk(file(entry(KEY_A, blocks, [])));
      assert.equal(hex(keys[0]?.blockRoot), expected, JSON.stringify(blocks));
      const attestations = blocks.map(({ slot, ...root }) => ({
        source_epoch: "1",
        target_epoch: slot,
        ...root,
      }));
      const same = parseOk(file(entry(KEY_A, [], attestations)));
      assert.equal(hex(same.keys[0]?.attestationRoot), expected, JSON.stringify(attestations));
    }
  });

  it("merges the entries of a key and sorts the keys", () => {
    const { keys } = parseOk(
      file(
        entry(KEY_B, [{ slot: "5", signing_root: ROOT_1 }], [attestation(1, 2)]),
        entry(KEY_A.toUpperCase().replace("0X", "0x"), [{ slot: "1" }], []),
        entry(KEY_B, [{ slot: "5", signing_root: ROOT_2 }], [attestation(0, 9)]),
        entry(KEY_A, [], []),
      ),
    );
    assert.deepEqual(
      keys.map((key) => [hex(key.key), key.blockSlot, hex(key.blockRoot), key.source, key.target]),
      [
        [KEY_A, 1n, null, null, null],
        [KEY_B, 5n, null, 1n, 9n],
      ],
    );
  });

  it("takes the whole range of 64 bits and nothing above", () => {
    const { keys } = parseOk(file(entry(KEY_A, [{ slot: "18446744073709551615" }], [])));
    assert.equal(keys[0]?.blockSlot, 0xffff_ffff_ffff_ffffn);
    assert.equal(parse(file(entry(KEY_A, [{ slot: "18446744073709551616" }], []))).ok, false);
  });

  it("refuses a file above its limit without reading it", () => {
    const parsed = parseInterchange(new Uint8Array(INTERCHANGE_BYTES_MAX + 1));
    assert.ok(!parsed.ok);
    assert.deepEqual(parsed.error, { code: "INTERCHANGE_MALFORMED" });
  });

  const good = file(entry(KEY_A, [{ slot: "1", signing_root: ROOT_1 }], [attestation(1, 2)]));
  const rows: Readonly<Record<string, string>> = {
    "an empty file": "",
    "a file cut short": good.slice(0, -1),
    "anything after the end": `${good}{}`,
    "a byte order mark": `\uFEFF${good}`,
    "another version": good.replace(`"5"`, `"4"`),
    "a version as a number": good.replace(`"5"`, "5"),
    "no metadata": `{"data":[]}`,
    "no data": good.replace(`"data":[`, `"other":[`),
    "no network": good.replace(/,"genesis_validators_root":"[^"]*"/, ""),
    "a network of 31 bytes": good.replace(NETWORK, NETWORK.slice(0, -2)),
    "a network without 0x": good.replace(NETWORK, NETWORK.slice(2)),
    "an unknown name at the top": good.replace(`"data"`, `"x":"y","data"`),
    "an unknown name in an entry": good.replace(`"pubkey"`, `"x":"y","pubkey"`),
    "a name of the prototype": good.replace(`"pubkey"`, `"constructor":"y","pubkey"`),
    "no key": file({ signed_blocks: [], signed_attestations: [] }),
    "no blocks": file({ pubkey: KEY_A, signed_attestations: [] }),
    "no attestations": file({ pubkey: KEY_A, signed_blocks: [] }),
    "a key of 47 bytes": good.replace(KEY_A, KEY_A.slice(0, -2)),
    "a key with a digit that is none": good.replace(KEY_A, KEY_A.replace(/9$/, "g")),
    "two lists of blocks": good.replace(`"signed_blocks"`, `"signed_blocks":[],"signed_blocks"`),
    "two slots in a block": good.replace(`"slot":"1"`, `"slot":"1","slot":"0"`),
    "no slot": file(entry(KEY_A, [{ slot: undefined }], [])),
    "a slot as a number": file(entry(KEY_A, [{ slot: 1 }], [])),
    "a slot that is null": file(entry(KEY_A, [{ slot: null }], [])),
    "an empty slot": file(entry(KEY_A, [{ slot: "" }], [])),
    "a slot with a leading zero": file(entry(KEY_A, [{ slot: "01" }], [])),
    "a slot with a sign": file(entry(KEY_A, [{ slot: "+1" }], [])),
    "a negative slot": file(entry(KEY_A, [{ slot: "-1" }], [])),
    "a slot in hex": file(entry(KEY_A, [{ slot: "0x1" }], [])),
    "a slot with a fraction": file(entry(KEY_A, [{ slot: "1.0" }], [])),
    "a slot with an exponent": file(entry(KEY_A, [{ slot: "1e3" }], [])),
    "a slot with white space": file(entry(KEY_A, [{ slot: " 1" }], [])),
    "an escape": good.replace(`"slot":"1"`, `"slot":"\\u0031"`),
    "a root that is null": file(entry(KEY_A, [{ slot: "1", signing_root: null }], [])),
    "a root of 33 bytes": good.replace(ROOT_1, `${ROOT_1}11`),
    "an attestation without a target": file(
      entry(KEY_A, [], [{ source_epoch: "1", target_epoch: undefined }]),
    ),
    "an attestation without a source": file(
      entry(KEY_A, [], [{ source_epoch: undefined, target_epoch: "1" }]),
    ),
    "a comma at the end of a list": good.replace("}]}]}", "}],}]}"),
    "data that is an object": good.replace(`"data":[`, `"data":{`),
  };
  for (const [what, text] of Object.entries(rows)) {
    it(`refuses ${what}`, () => {
      assert.notEqual(text, good, "the row must differ from the good file");
      const parsed = parse(text);
      assert.ok(!parsed.ok);
      assert.equal(parsed.error.code, "INTERCHANGE_MALFORMED");
    });
  }

  it("reads every file of the public test set", { skip: whyNoVectors("eip3076") }, (t) => {
    const folder = join(SHARED_VECTORS, "eip3076");
    let count = 0;
    for (const name of readdirSync(folder)) {
      const vector = VECTOR.parse(JSON.parse(readFileSync(join(folder, name), "utf8")));
      for (const step of vector.steps) {
        const { keys } = parseOk(JSON.stringify(step.interchange));
        const names = new Set(step.interchange.data.map(({ pubkey }) => pubkey));
        assert.deepEqual(
          keys.map((key) => hex(key.key)),
          [...names].sort(),
        );
        count += 1;
      }
    }
    assert.ok(count > 0);
    t.diagnostic(`${count} interchange vectors`);
  });
});

describe("encodeInterchange", () => {
  it("writes what parseInterchange reads back, sorted by key", () => {
    const text = file(
      entry(KEY_B, [{ slot: "0", signing_root: ROOT_2 }], [attestation(0, 0, ROOT_1)]),
      entry(KEY_A, [{ slot: "7" }], []),
    );
    const interchange = parseOk(text);
    const reversed = { ...interchange, keys: interchange.keys.toReversed() };
    assert.deepEqual(parseOk(encodeInterchange(reversed)), interchange);
    assert.ok(
      encodeInterchange(reversed).indexOf(KEY_A) < encodeInterchange(reversed).indexOf(KEY_B),
    );
  });

  it("writes empty lists for a key that has signed nothing", () => {
    const interchange = parseOk(file(entry(KEY_A, [], [])));
    assert.deepEqual(JSON.parse(encodeInterchange(interchange)), {
      metadata: { interchange_format_version: "5", genesis_validators_root: NETWORK },
      data: [{ pubkey: KEY_A, signed_blocks: [], signed_attestations: [] }],
    });
  });
});
