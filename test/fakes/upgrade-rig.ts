// A parent's upgrade between two fake enclaves, blue and green, with what an operator has to get
// right for it: manifests, bundles, keys.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ActiveEnclave, type ServedEnclave } from "../../parent/link/active-enclave.ts";
import type { SealedBundle } from "../../parent/link/bundle-loader.ts";
import type { EnclaveLink } from "../../parent/link/enclave-link.ts";
import { EnclavePeer } from "../../parent/link/enclave-peer.ts";
import type { Succession } from "../../parent/link/provision.ts";
import { LinkSigner } from "../../parent/link/signer.ts";
import { type ServeFailure, Upgrades } from "../../parent/link/upgrade.ts";
import { sampleMeasurements } from "../../scripts/local/nsm-simulator.ts";
import { manifestPcr } from "../../shared/attestation/pcr.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { ok, type Result } from "../../shared/result.ts";
import { fakeBundle } from "./fake-bundle.ts";
import { FakeEnclave } from "./fake-enclave.ts";
import { servedAt } from "./served-enclave.ts";
import { SilentLog } from "./silent-log.ts";
import { until } from "./until.ts";

const utf8 = new TextEncoder();
const FAST = { minMs: 1, maxMs: 5 };
const TIMING = { reconnect: FAST, heartbeatMs: 10, sweepMs: 10 };
const ASK = {
  dialect: "web3signer",
  key: new Uint8Array(48),
  kinds: 0xffff,
  body: Uint8Array.of(7),
} as const;

export const BUNDLE = { name: "a", ...fakeBundle(1, [10, 11]) };
export const PARENT_STATE = { kind: "parent" };
export const TABLE_STATE = {
  kind: "dynamodb",
  tableArn: "arn:a",
  tableId: "one",
  bootFloor: "off",
};

/** Of a chain whose signer reserves heights. */
export const RESERVING = { tendermint: { chains: [{}, { reservation: { heights: 2 } }] } };

export function manifestOf(
  state: object,
  predecessors?: readonly object[],
  more: object = {},
): Uint8Array {
  return utf8.encode(JSON.stringify({ state, predecessors, ...more }));
}

/** As a manifest names the enclave with this image and manifest. */
export function registersOf(image: string, manifest: Uint8Array) {
  const pcrs = sampleMeasurements(image);
  const at = (index: number): string => encodePrefixedHex(pcrs.get(index) ?? new Uint8Array(48));
  const digest = createHash("sha384").update(manifest).digest();
  return { pcr0: at(0), pcr1: at(1), pcr2: at(2), pcr16: encodePrefixedHex(manifestPcr(digest)) };
}

export class UpgradeRig {
  readonly #folder = mkdtempSync(join(tmpdir(), "upgrade-"));
  blue = new FakeEnclave(join(this.#folder, "blue.sock"), "blue");
  green = new FakeEnclave(join(this.#folder, "green.sock"), "green");
  readonly log = new SilentLog();
  readonly peer = new EnclavePeer();
  readonly present: Uint8Array;
  /** What the configuration names by now. */
  next: Uint8Array;
  nextBundles: readonly SealedBundle[] = [BUNDLE];
  /** Null: green. */
  nextPath: string | null = null;
  failure: ServeFailure | null = null;
  readonly active: ActiveEnclave;
  readonly signer: LinkSigner;
  readonly upgrades: Upgrades;
  readonly #served: ServedEnclave[] = [];

  private constructor(state: object, more: object) {
    this.present = manifestOf(state, undefined, more);
    this.next = manifestOf(state, [registersOf("blue", this.present)], more);
    this.active = new ActiveEnclave(this.#serve(this.blue.path, this.present));
    this.signer = new LinkSigner(this.active);
    this.upgrades = new Upgrades({
      active: this.active,
      log: this.log,
      holdMsMax: 4000,
      serve: (succession): Promise<Result<ServedEnclave, ServeFailure>> =>
        Promise.resolve(
          this.failure === null
            ? ok(this.#serve(this.nextPath ?? this.green.path, this.next, succession))
            : { ok: false, error: this.failure },
        ),
    });
  }

  /** Blue signs, green runs. */
  static async start(state: object = PARENT_STATE, more: object = {}): Promise<UpgradeRig> {
    const rig = new UpgradeRig(state, more);
    await Promise.all([rig.blue.listen(), rig.green.listen()]);
    rig.active.present.provisioner.start();
    await until(() => rig.signer.notReady() === null);
    return rig;
  }

  async stop(): Promise<void> {
    this.upgrades.close();
    for (const { provisioner } of this.#served) provisioner.close();
    await Promise.all([this.blue.stop(), this.green.stop()]);
    rmSync(this.#folder, { recursive: true });
  }

  async sign(): Promise<string> {
    const signed = await this.signer.sign(ASK);
    return signed.ok ? "signed" : signed.error.code;
  }

  async upgrade(): Promise<void> {
    const started = await this.upgrades.start();
    assert.ok(started.ok);
  }

  /** Until it waits for this, and nothing has been switched. */
  async waitsFor(code: ErrorCode): Promise<void> {
    await until(() => this.upgrades.show().code === code);
    assert.equal(this.upgrades.show().phase, "preparing");
  }

  async completed(): Promise<void> {
    await until(() => this.upgrades.show().phase === "completed");
  }

  /** To the enclave that was served last. */
  get lastLink(): EnclaveLink {
    const served = this.#served.at(-1);
    assert(served !== undefined);
    return served.link;
  }

  /** How often an enclave was asked for this. */
  countOf(enclave: FakeEnclave, method: string): number {
    return enclave.calls.filter((name) => name === method).length;
  }

  codesOf(event: string): readonly unknown[] {
    return this.log.lines.filter((line) => line.event === event).map(({ fields }) => fields.code);
  }

  #serve(path: string, manifest: Uint8Array, succession?: Succession): ServedEnclave {
    const readBundles = () =>
      Promise.resolve({
        bundles: succession === undefined ? [BUNDLE] : this.nextBundles,
        failures: [],
      });
    const provision = { manifest, log: this.log, retry: FAST, bundleRetry: FAST, readBundles };
    const served = servedAt(path, {
      timing: TIMING,
      seat: this.peer.takeSeat(),
      provision: succession === undefined ? provision : { ...provision, succession },
    });
    this.#served.push(served);
    return served;
  }
}
