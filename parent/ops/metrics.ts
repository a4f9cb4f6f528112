// What the parent counts, under its own names and under those that dashboards for Web3Signer use
// (reliability-and-operations.md §4.1). It must never have a label that a client chooses, a key
// among them: the number of series is fixed when the program starts.

import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { ERRORS, type ErrorCode, isErrorCode } from "../../shared/errors.ts";
import { OPERATION_KINDS, type OperationKind } from "../../shared/operation.ts";
import type { Signer } from "../ports.ts";
import { LatencyHistogram } from "./latency.ts";

export type CertificateName = "server" | "client_ca" | "crl";

const CODES: readonly ErrorCode[] = Object.keys(ERRORS).filter(isErrorCode);

/** A gauge that is read when somebody scrapes. */
export function watchGauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => number,
): void {
  const metric: Gauge = new Gauge({
    name,
    help,
    registers: [registry],
    collect: () => metric.set(read()),
  });
}

/** A counter whose parts count by themselves: its total is read when somebody scrapes. */
export function watchCounter(
  registry: Registry,
  name: string,
  help: string,
  read: () => number,
): void {
  const metric: Counter = new Counter({
    name,
    help,
    registers: [registry],
    collect: () => {
      metric.reset();
      metric.inc(read());
    },
  });
}

/** Codes that answer a request as Web3Signer's slashing protection would. */
function isSlashingRefusal(code: ErrorCode): boolean {
  return code.startsWith("GUARD_") || code === "HIGH_WATERMARK";
}

function isMalformedRequest(code: ErrorCode): boolean {
  return code.startsWith("REQUEST_") || code === "HTTP_MALFORMED" || code === "BODY_OVERSIZE";
}

export class Metrics {
  readonly registry = new Registry();
  readonly #signedCounts = new Map<OperationKind, number>(OPERATION_KINDS.map((kind) => [kind, 0]));
  readonly #refusedCounts = new Map<ErrorCode, number>(CODES.map((code) => [code, 0]));
  readonly #durations = new LatencyHistogram(
    "redoubt_request_duration_seconds",
    "From the arrival of a signing request to its answer",
  );
  readonly #certificateExpiry: Gauge<"certificate">;
  readonly #tlsRefusals: Counter<"reason">;

  constructor() {
    const registers = [this.registry];
    this.registry.registerMetric(this.#durations);
    this.#certificateExpiry = new Gauge({
      name: "redoubt_certificate_expiry_timestamp_seconds",
      help: "When the first certificate of its kind, or the CRL, expires",
      labelNames: ["certificate"],
      registers,
    });
    this.#tlsRefusals = new Counter({
      name: "redoubt_tls_refusals_total",
      help: "Connections of the signing listener that were closed before a request",
      labelNames: ["reason"],
      registers,
    });
    this.#countRequests();
    this.#countAliases();
    collectDefaultMetrics({ register: this.registry });
  }

  signed(kind: OperationKind, durationMs: number): void {
    this.#signedCounts.set(kind, (this.#signedCounts.get(kind) ?? 0) + 1);
    this.#durations.observeMs(durationMs);
  }

  refused(code: ErrorCode): void {
    this.#refusedCounts.set(code, (this.#refusedCounts.get(code) ?? 0) + 1);
  }

  /** `reason` comes from a fixed list (tls-refusal.ts). */
  tlsRefused(reason: string): void {
    this.#tlsRefusals.inc({ reason });
  }

  certificateExpires(certificate: CertificateName, atMs: number | null): void {
    if (atMs === null) this.#certificateExpiry.remove({ certificate });
    else this.#certificateExpiry.set({ certificate }, atMs / 1000);
  }

  refusedCount(isCounted: (code: ErrorCode) => boolean): number {
    let count = 0;
    for (const [code, value] of this.#refusedCounts) if (isCounted(code)) count += value;
    return count;
  }

  signedCount(isCounted: (kind: OperationKind) => boolean): number {
    let count = 0;
    for (const [kind, value] of this.#signedCounts) if (isCounted(kind)) count += value;
    return count;
  }

  /** Gauges that are read from the signer when somebody scrapes. */
  watch(signer: Signer): void {
    const gauge = (name: string, help: string, read: () => number): void => {
      watchGauge(this.registry, name, help, read);
    };
    gauge("redoubt_ready", "1 when requests are signed", () => (signer.notReady() ? 0 : 1));
    gauge("redoubt_keys", "Keys that are loaded", () => signer.keys().length);
    gauge(
      "redoubt_records",
      "Loaded keys that have a record",
      () => signer.status()?.recordCount ?? 0,
    );
    gauge(
      "redoubt_overrides",
      "Floors that operators have had lowered since the enclave's boot",
      () => signer.status()?.overrideCount ?? 0,
    );
    gauge(
      "redoubt_lost_receipts",
      "Receipts that never reached the log of the store since the enclave's boot",
      () => signer.status()?.lostReceiptCount ?? 0,
    );
    gauge("redoubt_in_flight", "Requests that the enclave has not answered yet", () =>
      signer.inFlightCount(),
    );
    gauge(
      "redoubt_trusted_time_age_seconds",
      "Age of the enclave's last trusted time",
      () => (signer.status()?.timeAgeMs ?? 0) / 1000,
    );
    gauge("signing_signers_loaded_count", "As Web3Signer", () => signer.keys().length);
  }

  #countRequests(): void {
    const requests = new Counter({
      name: "redoubt_requests_total",
      help: "Requests by outcome; the kind of a refused request is not known outside the enclave",
      labelNames: ["kind", "result", "code"],
      registers: [this.registry],
      collect: () => {
        requests.reset();
        for (const [kind, count] of this.#signedCounts) {
          requests.inc({ kind, result: "signed", code: "" }, count);
        }
        for (const [code, count] of this.#refusedCounts) {
          requests.inc({ kind: "", result: "refused", code }, count);
        }
      },
    });
    this.#derived("redoubt_signatures_total", "Signatures released", () =>
      this.signedCount(() => true),
    );
  }

  #countAliases(): void {
    this.#derived("eth2_slashingprotection_permitted_signings_total", "As Web3Signer", () =>
      this.signedCount((kind) => kind === "BLOCK" || kind === "ATTESTATION"),
    );
    this.#derived("eth2_slashingprotection_prevented_signings_total", "As Web3Signer", () =>
      this.refusedCount(isSlashingRefusal),
    );
    this.#derived("signing_bls_missing_identifier_count_total", "As Web3Signer", () =>
      this.refusedCount((code) => code === "KEY_UNKNOWN"),
    );
    this.#derived("http_bls_malformed_request_count_total", "As Web3Signer", () =>
      this.refusedCount(isMalformedRequest),
    );
  }

  #derived(name: string, help: string, read: () => number): void {
    watchCounter(this.registry, name, help, read);
  }
}
