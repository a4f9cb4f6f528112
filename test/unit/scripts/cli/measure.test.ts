import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { runMeasure } from "../../../../scripts/cli/measure.ts";
import { encodeEif } from "../../../../scripts/image/eif.ts";
import { listMeasurement, measureEif } from "../../../../scripts/image/measurement.ts";
import {
  changed,
  encodeSignatureSection,
  makeImageSigner,
  SOURCE,
  signatureParts,
  signedEif,
} from "../../../fakes/eif-images.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "redoubt-measure-"));
after(() => rmSync(FOLDER, { recursive: true }));

const FILE = encodeEif(SOURCE);
const SIGNER = makeImageSigner("P-384");
const PCRS = listMeasurement(measureEif(SOURCE));

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(FOLDER, name);
  writeFileSync(path, bytes);
  return path;
}

function codeIn(stderr: string): string | undefined {
  return /\((EIF_[A-Z_]+)\)\n$/.exec(stderr)?.[1];
}

const GOOD = fileOf("good.eif", FILE);

describe("redoubt measure", () => {
  test("does not read a file that is larger than any image", async () => {
    const path = fileOf("large.eif", FILE);
    truncateSync(path, 2 ** 31);
    const outcome = await runMeasure([path]);
    assert.deepEqual([outcome.exitCode, outcome.stdout], [1, ""]);
    assert.equal(codeIn(outcome.stderr), "EIF_OVERSIZE");
  });

  test("prints what nitro-cli describe-eif prints", async () => {
    const outcome = await runMeasure([GOOD]);
    assert.deepEqual(outcome, {
      exitCode: 0,
      stderr: "",
      stdout: `{
  "EifVersion": 4,
  "Measurements": {
    "HashAlgorithm": "Sha384 { ... }",
${PCRS.map(([name, value]) => `    "${name}": "${value}"`).join(",\n")}
  },
  "IsSigned": false,
  "CheckCRC": true,
  "ImageName": "redoubt",
  "ImageVersion": "1.2.3",
  "Metadata": {
    "BuildTime": "1970-01-01T00:00:00Z",
    "BuildTool": "redoubt",
    "BuildToolVersion": "0.1.0",
    "OperatingSystem": "Linux",
    "KernelVersion": "6.12.0",
    "DockerInfo": null,
    "commit": "0123"
  }
}
`,
    });
  });

  test("prints the same on one line with --json", async () => {
    const [pretty, line] = [await runMeasure([GOOD]), await runMeasure([GOOD, "--json"])];
    assert.equal(line.stdout.split("\n").length, 2);
    assert.deepEqual(JSON.parse(line.stdout), JSON.parse(pretty.stdout));
  });

  test("prints only the registers with --pcrs", async () => {
    const lines = PCRS.map(([name, value]) => `${name} ${value}\n`).join("");
    const outcome = await runMeasure(["--pcrs", GOOD]);
    assert.deepEqual(outcome, { exitCode: 0, stdout: lines, stderr: "" });
  });

  test("says who signed an image, and that the signature holds", async () => {
    const outcome = await runMeasure([fileOf("signed.eif", signedEif(SOURCE, SIGNER))]);
    const said: unknown = JSON.parse(outcome.stdout);
    assert.equal(outcome.exitCode, 0);
    assert.partialDeepStrictEqual(said, {
      IsSigned: true,
      SigningCertificate: {
        IssuerName: { commonName: "image signer", countryName: "CH", organizationName: "Example" },
        Algorithm: "ecdsa-with-SHA384",
      },
      CheckCRC: true,
      SignatureCheck: true,
    });
    assert.match(outcome.stdout, /"PCR8": "[0-9a-f]{96}"/);
    assert.match(outcome.stdout, /"Signature": "[0-9A-F]{2}(:[0-9A-F]{2})+"/);
  });

  test("says that a signature is one of another image, and fails", async () => {
    const other = signatureParts({ ...SOURCE, cmdline: "other" }, SIGNER);
    const path = fileOf(
      "foreign.eif",
      encodeEif({ ...SOURCE, signatureSection: encodeSignatureSection(other) }),
    );
    const outcome = await runMeasure([path]);
    assert.equal(outcome.exitCode, 1);
    assert.match(outcome.stdout, /"SignatureCheck": false/);
    assert.equal(codeIn(outcome.stderr), "EIF_SIGNATURE_WRONG");
  });

  test("says that a checksum is wrong, and fails", async () => {
    const bent = new Uint8Array(FILE);
    bent[600] = (bent[600] ?? 0) ^ 1;
    const path = fileOf("bent.eif", bent);
    const outcome = await runMeasure([path]);
    assert.equal(outcome.exitCode, 1);
    assert.match(outcome.stdout, /"CheckCRC": false/);
    assert.equal(codeIn(outcome.stderr), "EIF_CRC");
    const lines = await runMeasure([path, "--pcrs"]);
    assert.deepEqual([lines.exitCode, lines.stdout], [1, ""]);
  });

  const MALFORMED: readonly (readonly [name: string, code: string, bytes: Uint8Array])[] = [
    ["an empty file", "EIF_TRUNCATED", new Uint8Array(0)],
    ["another file", "EIF_MAGIC", new Uint8Array(4096)],
    ["a file of version 3", "EIF_VERSION", changed(FILE, (view) => view.setUint16(4, 3))],
    ["a file with an untrue table", "EIF_SECTION_TABLE", changed(FILE, (v) => v.setUint8(28, 1))],
  ];

  for (const [name, code, bytes] of MALFORMED) {
    test(`prints no measurement of ${name}, only ${code}`, async () => {
      const outcome = await runMeasure([fileOf("malformed.eif", bytes)]);
      assert.deepEqual([outcome.exitCode, outcome.stdout], [1, ""]);
      assert.equal(codeIn(outcome.stderr), code);
    });
  }

  const MISUSE: readonly (readonly string[])[] = [
    [],
    [GOOD, GOOD],
    [GOOD, "--pcr"],
    [GOOD, "--pcrs", "--json"],
    [join(FOLDER, "absent.eif")],
    [FOLDER],
  ];

  for (const args of MISUSE) {
    test(`exits with 2 on ${args.map((arg) => arg.replace(FOLDER, "")).join(" ") || "nothing"}`, async () => {
      const outcome = await runMeasure(args);
      assert.deepEqual([outcome.exitCode, outcome.stdout], [2, ""]);
      assert.equal(outcome.stderr.split("\n").length, 2);
    });
  }
});
