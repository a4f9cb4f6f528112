import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import type { Nsm, PcrState } from "../../../../enclave/core/ports.ts";
import { measureManifest } from "../../../../enclave/service/measurement.ts";
import { MANIFEST_PCR_INDEX } from "../../../../shared/attestation/pcr.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err, ok } from "../../../../shared/result.ts";
import { KEY_ARN } from "../../../fakes/sealed-keys.ts";

const MANIFEST = new TextEncoder().encode(
  JSON.stringify({
    redoubt: 1,
    kms: { keyArn: KEY_ARN },
    state: { kind: "parent" },
    ethereum: { network: "hoodi" },
    groups: [{ name: "all", keys: "others" }],
  }),
);
const ZERO = new Uint8Array(48);

/** PCR16 of one boot, which may lie or fail at its n-th command. */
class OnePcr {
  readonly commands: string[] = [];
  state: PcrState = { isLocked: false, digest: ZERO };
  failAt: number | null = null;
  /** What describePcr answers the second time, instead of the truth. */
  lie: Partial<PcrState> = {};

  nsm(): Nsm {
    return {
      describePcr: () => {
        if (this.#fails("describe")) return Promise.resolve(err(refusal("NSM_UNAVAILABLE")));
        const isSecond = this.commands.length > 1;
        return Promise.resolve(ok(isSecond ? { ...this.state, ...this.lie } : this.state));
      },
      extendPcr: (index, data) => {
        assert.equal(index, MANIFEST_PCR_INDEX);
        if (this.#fails("extend")) return Promise.resolve(err(refusal("NSM_REFUSED")));
        const digest = hash("sha384", Buffer.concat([this.state.digest, data]), "buffer");
        this.state = { ...this.state, digest };
        return Promise.resolve(ok(digest));
      },
      lockPcr: (index) => {
        assert.equal(index, MANIFEST_PCR_INDEX);
        if (this.#fails("lock")) return Promise.resolve(err(refusal("NSM_REFUSED")));
        this.state = { ...this.state, isLocked: true };
        return Promise.resolve(ok(null));
      },
      attest: () => assert.fail("nothing is attested before the manifest is measured"),
    };
  }

  #fails(command: string): boolean {
    this.commands.push(command);
    return this.commands.length - 1 === this.failAt;
  }
}

test("the exact bytes of the manifest are measured into PCR16, which is locked and looked at again", async () => {
  const pcr = new OnePcr();
  const measured = await measureManifest(MANIFEST, pcr.nsm());
  assert(measured.ok);
  const digest = hash("sha384", MANIFEST, "buffer");
  assert.deepEqual(measured.value.digest, digest);
  assert.deepEqual(pcr.commands, ["describe", "extend", "lock", "describe"]);
  const expected = hash("sha384", Buffer.concat([ZERO, digest]), "buffer");
  assert.deepEqual(pcr.state, { isLocked: true, digest: expected });
});

test("a malformed manifest never reaches PCR16, and another may follow", async () => {
  const pcr = new OnePcr();
  const refused = await measureManifest(MANIFEST.subarray(1), pcr.nsm());
  assert(!refused.ok);
  assert.equal(refused.error.refusal.code, "MANIFEST_MALFORMED");
  assert.equal(refused.error.isSpoiled, false);
  assert.deepEqual(pcr.commands, []);
  assert((await measureManifest(MANIFEST, pcr.nsm())).ok);
});

test("a PCR16 that is locked or used already is not touched, and ends this life", async () => {
  for (const state of [
    { isLocked: true, digest: ZERO },
    { isLocked: false, digest: ZERO.with(47, 1) },
    { isLocked: true, digest: ZERO.with(0, 1) },
  ]) {
    const pcr = new OnePcr();
    pcr.state = state;
    const refused = await measureManifest(MANIFEST, pcr.nsm());
    assert(!refused.ok);
    assert.equal(refused.error.refusal.code, "NSM_PCR_UNEXPECTED");
    assert.equal(refused.error.isSpoiled, true);
    assert.deepEqual(pcr.commands, ["describe"]);
  }
});

test("a failure before PCR16 is touched can be tried again, one after it ends this life", async () => {
  for (const [failAt, isSpoiled] of [
    [0, false],
    [1, true],
    [2, true],
    [3, true],
  ] as const) {
    const pcr = new OnePcr();
    pcr.failAt = failAt;
    const refused = await measureManifest(MANIFEST, pcr.nsm());
    assert(!refused.ok);
    assert.equal(refused.error.isSpoiled, isSpoiled, `command ${failAt}`);
  }
});

test("a device whose PCR16 is afterwards not what was measured, or not locked, ends this life", async () => {
  for (const lie of [{ isLocked: false }, { digest: ZERO }, { digest: ZERO.with(3, 9) }]) {
    const pcr = new OnePcr();
    pcr.lie = lie;
    const refused = await measureManifest(MANIFEST, pcr.nsm());
    assert(!refused.ok);
    assert.equal(refused.error.refusal.code, "NSM_PCR_UNEXPECTED");
    assert.equal(refused.error.isSpoiled, true);
  }
});
