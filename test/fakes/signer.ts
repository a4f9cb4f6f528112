// A Signer that answers what the test tells it to, and remembers what it was asked.

import type { EnclaveStatus, ReloadState, SignAsk, Signed, Signer } from "../../parent/ports.ts";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export const FAKE_SIGNATURE = new Uint8Array(96).fill(0xcd);

export function fakeKey(fill: number): { readonly bytes: Uint8Array; readonly text: string } {
  const bytes = new Uint8Array(48).fill(fill);
  return { bytes, text: encodePrefixedHex(bytes) };
}

export function fakeStatus(changes: Partial<EnclaveStatus> = {}): EnclaveStatus {
  return {
    phase: "Ready",
    software: "redoubt/test",
    bootId: new Uint8Array(16),
    manifestDigest: new Uint8Array(48),
    genesisValidatorsRoot: new Uint8Array(32),
    chainIds: [],
    bundleIds: [],
    keyCount: 2,
    recordCount: 2,
    floor: null,
    highWatermark: null,
    storeKind: "parent",
    overrideCount: 0,
    lostReceiptCount: 0,
    timeMs: 1_700_000_000_000,
    timeAgeMs: 1000,
    ...changes,
  };
}

export class FakeSigner implements Signer {
  readonly asks: SignAsk[] = [];
  readonly nonces: (Uint8Array | null)[] = [];
  keyList: readonly string[] = [fakeKey(0xaa).text, fakeKey(0xbb).text];
  statusNow: EnclaveStatus | null = fakeStatus();
  reason: Refusal | null = null;
  reload: ReloadState = { status: "idle", lastOperationTime: null, lastError: null };
  isReloading = false;
  reloadCount = 0;
  answer: (ask: SignAsk) => Promise<Result<Signed, Refusal>> = () =>
    Promise.resolve(ok({ kind: "ATTESTATION", signature: FAKE_SIGNATURE }));
  document: Result<Uint8Array, Refusal> = ok(Uint8Array.of(0x84, 1, 2, 3));

  sign(ask: SignAsk): Promise<Result<Signed, Refusal>> {
    this.asks.push(ask);
    return this.answer(ask);
  }

  attest(nonce: Uint8Array | null): Promise<Result<Uint8Array, Refusal>> {
    this.nonces.push(nonce);
    return Promise.resolve(this.document);
  }

  keys(): readonly string[] {
    return this.keyList;
  }

  manifest(): Uint8Array {
    return new TextEncoder().encode('{"manifest":1}');
  }

  status(): EnclaveStatus | null {
    return this.statusNow;
  }

  notReady(): Refusal | null {
    return this.reason;
  }

  inFlightCount(): number {
    return 0;
  }

  reloadState(): ReloadState {
    return this.reload;
  }

  startReload(): Result<null, Refusal<"RELOAD_RUNNING">> {
    if (this.isReloading) return err(refusal("RELOAD_RUNNING"));
    this.reloadCount += 1;
    return ok(null);
  }
}
