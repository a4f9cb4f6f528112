import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Position } from "../../../../enclave/core/chains/tendermint/position.ts";
import {
  encodeSignerState,
  parseSignerState,
  SIGNER_STATE_BYTES_MAX,
  STATE_FORMATS,
  type StateFormat,
} from "../../../../scripts/cli/signer-state.ts";
import { HEIGHT_MAX, ROUND_MAX } from "../../../../shared/limits.ts";

const HASH = "26C0A41F3243C6BCD7AD2DFF8A8D83A71D29D307B5326C227F734A1A512FE47D";
const BLOCK_ID = `{"hash":"${HASH}","part_set_header":{"total":1,"hash":"${HASH}"}}`;
const NIL_ID = `{"hash":"","part_set_header":{"total":0,"hash":""}}`;
const SIGNED = `"signature":"AAAA","signbytes":"6E0802"`;

const NOT_STATE = "no state file of a signer of Tendermint chains";
const NOT_FORMAT = "no state file of the format that --format names";
const UNCLEAR = "tmkms and horcrux write such a file, and number the steps otherwise: say --format";
const NO_PLACE = "a height, round or step that there is not";
const NOT_EMPTY = "a round or a step at height 0";

/** The format and the position, or the fault. */
function read(text: string, wanted: StateFormat | null = null): string {
  const parsed = parseSignerState(new TextEncoder().encode(text), wanted);
  if (!parsed.ok) return parsed.error;
  const { format, position } = parsed.value;
  if (position === null) return `${format} nothing`;
  return `${format} ${position.height}/${position.round}/${position.step}`;
}

function assertRows(rows: readonly (readonly [string, string, StateFormat?])[]): void {
  for (const [text, expected, wanted] of rows) {
    assert.equal(read(text, wanted ?? null), expected, `${text} ${wanted ?? ""}`);
  }
}

function filepv(height: string, round: string, step: string): string {
  return `{"height":"${height}","round":${round},"step":${step}}`;
}

describe("parseSignerState", () => {
  it("reads what each signer writes", () => {
    assertRows([
      [`{"height":"5","round":0,"step":3,${SIGNED}}`, "filepv 5/0/precommit"],
      [`{\n  "height": "5",\n  "round": 1,\n  "step": 2\n}\n`, "filepv 5/1/prevote"],
      [`{"height":"0","round":0,"step":0}`, "filepv nothing"],
      [`{"height":"5","round":"1","step":2,"block_id":${BLOCK_ID}}`, "tmkms 5/1/precommit"],
      [`{"height":"5","round":"1","step":1,"block_id":${NIL_ID}}`, "tmkms 5/1/prevote"],
      [`{"height":"5","round":"1","step":0,"block_id":null}`, "tmkms 5/1/proposal"],
      [`{"height":"0","round":"0","step":0,"block_id":${NIL_ID}}`, "tmkms nothing"],
      [
        `{"height":"5","round":"1","step":1,"block_id":${BLOCK_ID.replace("part_set_header", "parts").replace("1,", '"1",')}}`,
        "tmkms 5/1/prevote",
      ],
      [`{"height":"5","round":"1","step":2,"nonce_public":null}`, "horcrux 5/1/prevote"],
      [
        `{"height":"5","round":"1","step":3,"nonce_public":"AAAA",${SIGNED},"vote_ext_signature":"AAA="}`,
        "horcrux 5/1/precommit",
      ],
      [`{"height":5,"round":1,"step":3,"nonce_public":null}`, "horcrux 5/1/precommit"],
      [`{"height":"0","round":"0","step":0,"nonce_public":null}`, "horcrux nothing"],
      [`{"height":"5","round":"1","step":3,"ephemeral_public":null}`, "horcrux 5/1/precommit"],
    ]);
  });

  it("reads what FilePV v0.38.17 and iq-cometbft 0.1, which tmkms 0.15 has, really wrote", () => {
    const signature =
      "UM/6dURbN40AcAt6nUcRLunWZ2KlXFoVIrCqRruSxjikPanNzGqu6NvcQA06prWSm/FPlsV6r9YB0rg1+hMeCQ==";
    const signBytes = "2408021107000000000000001902000000000000002A0B088092B8C398FEFFFFFF01320163";
    const hash = "0".repeat(64);
    assertRows([
      [
        `{\n  "height": "7",\n  "round": 2,\n  "step": 3,\n  "signature": "${signature}",\n  "signbytes": "${signBytes}"\n}`,
        "filepv 7/2/precommit",
      ],
      [
        `{"height":"7","round":"2","step":1,"block_id":{"hash":"${hash}","parts":{"total":1,"hash":"${hash}"}}}`,
        "tmkms 7/2/prevote",
      ],
      [
        `{"height":"0","round":"0","step":0,"block_id":{"hash":"","parts":{"total":0,"hash":""}}}`,
        "tmkms nothing",
      ],
    ]);
  });

  it("numbers tmkms's steps from 0, and the others' from 1", () => {
    const steps = ["proposal", "prevote", "precommit"];
    for (const [index, step] of steps.entries()) {
      const tmkms = `{"height":"7","round":"2","step":${index},"block_id":null}`;
      const horcrux = `{"height":"7","round":"2","step":${index + 1},"nonce_public":null}`;
      assert.equal(read(tmkms), `tmkms 7/2/${step}`);
      assert.equal(read(filepv("7", "2", `${index + 1}`)), `filepv 7/2/${step}`);
      assert.equal(read(horcrux), `horcrux 7/2/${step}`);
    }
  });

  it("takes step 0 of FilePV and horcrux, above height 0, for all that is below", () => {
    assertRows([
      [`{"height":"7","round":2,"step":0}`, "filepv 7/1/precommit"],
      [`{"height":"7","round":0,"step":0}`, `filepv 6/${ROUND_MAX}/precommit`],
      [
        `{"height":"7","round":"0","step":0,"nonce_public":null}`,
        `horcrux 6/${ROUND_MAX}/precommit`,
      ],
      [`{"height":"1","round":0,"step":0}`, "filepv nothing"],
    ]);
  });

  it("never guesses whose steps they are", () => {
    const bare = `{"height":"5","round":"1","step":1}`;
    const signed = `{"height":"5","round":"1","step":1,${SIGNED}}`;
    const withBlock = `{"height":"5","round":"1","step":1,"block_id":null}`;
    assertRows([
      [bare, UNCLEAR],
      [bare, "tmkms 5/1/prevote", "tmkms"],
      [bare, "horcrux 5/1/proposal", "horcrux"],
      [bare, NOT_FORMAT, "filepv"],
      [signed, UNCLEAR],
      [signed, "horcrux 5/1/proposal", "horcrux"],
      [signed, NOT_FORMAT, "tmkms"],
      [signed, NOT_FORMAT, "filepv"],
      [withBlock, NOT_FORMAT, "filepv"],
      [withBlock, NOT_FORMAT, "horcrux"],
      [filepv("5", "1", "1"), NOT_FORMAT, "tmkms"],
      [filepv("5", "1", "1"), "horcrux 5/1/proposal", "horcrux"],
      [`{"height":5,"round":1,"step":1}`, UNCLEAR],
      [`{"height":5,"round":1,"step":1}`, NOT_FORMAT, "filepv"],
      [`{"height":"5","round":"1","step":1,"block_id":null,"signature":"AAAA"}`, NOT_STATE],
      [`{"height":"5","round":"1","step":1,"block_id":null,"nonce_public":null}`, NOT_STATE],
    ]);
  });

  it("takes heights, rounds and steps up to their limits", () => {
    assertRows([
      [filepv("1", "0", "1"), "filepv 1/0/proposal"],
      [filepv("0", "0", "1"), NOT_EMPTY],
      [filepv("0", "1", "0"), NOT_EMPTY],
      [filepv("9223372036854775806", "0", "1"), "filepv 9223372036854775806/0/proposal"],
      [filepv("9223372036854775807", "0", "1"), "filepv 9223372036854775807/0/proposal"],
      [filepv("9223372036854775808", "0", "1"), NO_PLACE],
      [filepv("10000000000000000000", "0", "1"), NOT_STATE],
      [filepv("5", "2147483646", "1"), "filepv 5/2147483646/proposal"],
      [filepv("5", "2147483647", "1"), "filepv 5/2147483647/proposal"],
      [filepv("5", "2147483648", "1"), NO_PLACE],
      [filepv("5", "0", "3"), "filepv 5/0/precommit"],
      [filepv("5", "0", "4"), NO_PLACE],
      [filepv("5", "0", "10"), NOT_STATE],
      [`{"height":"5","round":"0","step":2,"block_id":null}`, "tmkms 5/0/precommit"],
      [`{"height":"5","round":"0","step":3,"block_id":null}`, NO_PLACE],
      [`{"height":"0","round":"0","step":1,"block_id":null}`, NOT_EMPTY],
    ]);
  });

  it("refuses what no signer writes", () => {
    const rows = [
      "",
      "[]",
      "{}",
      `{"height":"5","round":0}`,
      `{"height":"5","round":0,"step":"1"}`,
      `{"height":"5","round":0,"step":null}`,
      `{"height":"5","round":0,"step":-1}`,
      `{"height":"5","round":0,"step":1.0}`,
      `{"height":"5","round":0,"step":1e0}`,
      `{"height":"5","round":00,"step":1}`,
      `{"height":"05","round":0,"step":1}`,
      `{"height":"+5","round":0,"step":1}`,
      `{"height":"-5","round":0,"step":1}`,
      `{"height":"","round":0,"step":1}`,
      `{"height":" 5","round":0,"step":1}`,
      `{"height":"5","height":"5","round":0,"step":1}`,
      `{"height":"5","round":0,"step":1,"other":null}`,
      `{"height":"5","round":0,"step":1} x`,
      `{"height":"5","round":0,"step":1,"signature":"A"}`,
      `{"height":"5","round":0,"step":1,"signature":null}`,
      `{"height":"5","round":0,"step":1,"signbytes":"0"}`,
      `{"height":"5","round":"0","step":1,"block_id":{}}`,
      `{"height":"5","round":"0","step":1,"block_id":nul}`,
      `{"height":"5","round":"0","step":1,"block_id":{"hash":"${HASH}"}}`,
      `{"height":"5","round":"0","step":1,"block_id":${BLOCK_ID.replace("26", "2")}}`,
      `{"height":"5","round":"0","step":1,"block_id":${BLOCK_ID.replace("26", "2G")}}`,
      `{"height":"5","round":"0","step":1,"block_id":${NIL_ID.replace(/\}$/, ',"parts":{"total":0,"hash":""}}')}}`,
    ];
    for (const text of rows) assert.equal(read(text), NOT_STATE, text);
  });

  it("reads files up to their limit", () => {
    const text = `{"height":"5","round":0,"step":1}`;
    for (const [length, expected] of [
      [SIGNER_STATE_BYTES_MAX - 1, "filepv 5/0/proposal"],
      [SIGNER_STATE_BYTES_MAX, "filepv 5/0/proposal"],
      [SIGNER_STATE_BYTES_MAX + 1, NOT_STATE],
    ] as const) {
      assert.equal(read(text.padEnd(length)), expected);
    }
  });
});

describe("encodeSignerState", () => {
  const POSITIONS: readonly (Position | null)[] = [
    null,
    { height: 1n, round: 0, step: "proposal" },
    { height: 7n, round: 2, step: "prevote" },
    { height: HEIGHT_MAX, round: ROUND_MAX, step: "precommit" },
  ];

  it("writes what parseSignerState reads again, without being told the format", () => {
    for (const format of STATE_FORMATS) {
      for (const position of POSITIONS) {
        const text = encodeSignerState({ format, position });
        const parsed = parseSignerState(new TextEncoder().encode(text), null);
        assert.deepEqual(parsed, { ok: true, value: { format, position } });
      }
    }
  });

  it("writes each format as its signer reads it, and never what was signed", () => {
    const position = { height: 7n, round: 2, step: "prevote" } as const;
    const written = STATE_FORMATS.map((format) => {
      return JSON.parse(encodeSignerState({ format, position })) as unknown;
    });
    const hash = "0".repeat(64);
    assert.deepEqual(written, [
      { height: "7", round: 2, step: 2 },
      // Without a block tmkms would sign a vote for nil at this step, whatever was signed at it.
      {
        height: "7",
        round: "2",
        step: 1,
        block_id: { hash, part_set_header: { total: 1, hash } },
      },
      { height: "7", round: "2", step: 2, nonce_public: null },
    ]);
  });
});
