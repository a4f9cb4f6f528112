import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type BootFacts,
  type BootRefusal,
  decideBoot,
  verifyBoot,
} from "../../../../enclave/platform/boot-check.ts";
import { DENIED_RIGHTS, NODE_FLAGS } from "../../../../enclave/platform/node-flags.ts";
import { refusal } from "../../../../shared/errors.ts";
import { PCR_BYTES } from "../../../../shared/limits.ts";
import { err, ok } from "../../../../shared/result.ts";

const LOCKED = { isLocked: true, digest: new Uint8Array(PCR_BYTES).fill(1) };
const ZERO = { isLocked: true, digest: new Uint8Array(PCR_BYTES) };
const OPEN = { isLocked: false, digest: new Uint8Array(PCR_BYTES).fill(1) };

const GOOD: BootFacts = {
  architecture: "x64",
  clockSource: "kvm-clock",
  entropySource: "nsm-hwrng",
  imagePcrs: [LOCKED, LOCKED, LOCKED],
  nodeFlags: NODE_FLAGS,
  environment: ["PATH"],
  hasRight: () => false,
};

function codeOf(facts: Partial<BootFacts>): BootRefusal["code"] | null {
  const decided = decideBoot({ ...GOOD, ...facts });
  return decided.ok ? null : decided.error.code;
}

describe("decideBoot", () => {
  const rows: readonly (readonly [string, Partial<BootFacts>, BootRefusal["code"] | null])[] = [
    ["a Nitro enclave on x86-64", {}, null],
    [
      "a Nitro enclave on Graviton",
      { architecture: "arm64", clockSource: "arch_sys_counter" },
      null,
    ],
    ["PCR0 of debug mode", { imagePcrs: [ZERO, LOCKED, LOCKED] }, "BOOT_DEBUG"],
    ["PCR1 of debug mode", { imagePcrs: [LOCKED, ZERO, LOCKED] }, "BOOT_DEBUG"],
    ["PCR2 of debug mode", { imagePcrs: [LOCKED, LOCKED, ZERO] }, "BOOT_DEBUG"],
    [
      "another clock in debug mode, where the code can be read",
      { imagePcrs: [ZERO, ZERO, ZERO], clockSource: "tsc" },
      "BOOT_CLOCK",
    ],
    ["an image register that is not locked", { imagePcrs: [LOCKED, OPEN, LOCKED] }, "BOOT_PCR"],
    ["two registers instead of three", { imagePcrs: [LOCKED, LOCKED] }, "BOOT_PCR"],
    ["another clock", { clockSource: "tsc" }, "BOOT_CLOCK"],
    ["a clock that can't be read", { clockSource: null }, "BOOT_CLOCK"],
    ["the clock of another processor", { architecture: "arm64" }, "BOOT_CLOCK"],
    ["an unknown processor", { architecture: "riscv64" }, "BOOT_CLOCK"],
    ["entropy from elsewhere", { entropySource: "virtio_rng.0" }, "BOOT_ENTROPY"],
    ["no source of entropy", { entropySource: null }, "BOOT_ENTROPY"],
    ["no environment", { environment: [] }, null],
    ["options in the environment", { environment: ["NODE_OPTIONS"] }, "BOOT_UNCONFINED"],
    ["another variable", { environment: ["PATH", "SSL_CERT_FILE"] }, "BOOT_UNCONFINED"],
    ["no flags", { nodeFlags: [] }, "BOOT_UNCONFINED"],
  ];
  for (const [name, facts, code] of rows) {
    it(`answers ${code ?? "yes"} to ${name}`, () => assert.equal(codeOf(facts), code));
  }

  for (const flag of NODE_FLAGS) {
    it(`refuses a Node without ${flag}`, () => {
      const nodeFlags = NODE_FLAGS.filter((each) => each !== flag);
      assert.equal(codeOf({ nodeFlags }), "BOOT_UNCONFINED");
    });
  }

  it("denies every right with which something could leave the process", () => {
    const rights = ["fs.write", "net", "child", "inspector", "wasi", "ffi"];
    assert.deepEqual([...DENIED_RIGHTS], rights);
  });

  for (const right of DENIED_RIGHTS) {
    it(`refuses a Node that has the right ${right}`, () => {
      assert.equal(codeOf({ hasRight: (asked) => asked === right }), "BOOT_UNCONFINED");
    });
  }

  it("takes more files to read: that right ends with the start", () => {
    assert.equal(codeOf({ nodeFlags: [...NODE_FLAGS, "--allow-fs-read=/run/*"] }), null);
  });

  const more = [
    "--allow-fs-write=/tmp/x",
    "--allow-net",
    "--import=/tmp/x.mjs",
    "--inspect",
    "--no-disallow-code-generation-from-strings",
    "--no-permission",
    "--disable-proto=delete",
  ];
  for (const flag of more) {
    it(`refuses a Node with ${flag} too`, () => {
      assert.equal(codeOf({ nodeFlags: [...NODE_FLAGS, flag] }), "BOOT_UNCONFINED");
    });
  }
});

describe("verifyBoot", () => {
  it("refuses the process of a test, which is not confined", async () => {
    const verified = await verifyBoot({ describePcr: async () => ok(LOCKED) });
    assert.equal(verified.ok ? null : verified.error.code, "BOOT_UNCONFINED");
  });

  it("passes on what the device refuses", async () => {
    const verified = await verifyBoot({ describePcr: async () => err(refusal("NSM_REFUSED")) });
    assert.equal(verified.ok ? null : verified.error.code, "NSM_REFUSED");
  });

  it("asks for the three registers of the image", async () => {
    const asked: number[] = [];
    await verifyBoot({
      describePcr: async (index) => {
        asked.push(index);
        return ok(ZERO);
      },
    });
    assert.deepEqual(asked, [0, 1, 2]);
  });
});
