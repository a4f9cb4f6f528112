// The options of `redoubt verify`, parsed strictly: an option that is not understood must never be
// passed over, since it may be the one that was to pin something.

import { parseHex } from "../../shared/bytes/hex.ts";
import { NONCE_BYTES_MAX, PCR_BYTES, PCR_COUNT } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { parseArguments } from "./arguments.ts";
import type { TlsFiles } from "./attestation-source.ts";
import type { ExpectationFiles } from "./verify-expectation.ts";

export type VerifyOptions = {
  /** What to judge: a path, or a URL to ask. */
  readonly target: string | URL;
  readonly nonce: Uint8Array | null;
  /** Null: now. */
  readonly atMs: number | null;
  /** PEM of another root than AWS's; null for AWS's. */
  readonly rootPath: string | null;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly files: ExpectationFiles;
  readonly allowDebug: boolean;
  readonly isJson: boolean;
  readonly ageMsMax: number | null;
  readonly tls: TlsFiles;
};

const OPTIONS = {
  nonce: { type: "string" },
  at: { type: "string" },
  root: { type: "string" },
  pcr: { type: "string", multiple: true },
  release: { type: "string" },
  manifest: { type: "string" },
  keys: { type: "string" },
  "allow-debug": { type: "boolean" },
  json: { type: "boolean" },
  "max-age": { type: "string" },
  cert: { type: "string" },
  key: { type: "string" },
  ca: { type: "string" },
} as const;

/** A running signer makes the document while we wait. */
const LIVE_AGE_MS_MAX = 300_000;

/** The error is a sentence for people; the exit code is 2. */
export function parseVerifyOptions(args: readonly string[]): Result<VerifyOptions, string> {
  const parsed = parseArguments(args, OPTIONS);
  if (!parsed.ok) return parsed;
  const { values, positionals } = parsed.value;
  const [target, ...rest] = positionals;
  if (target === undefined || rest.length > 0) return err("give one FILE or URL");
  const place = parseTarget(target);
  if (!place.ok) return place;
  const nonce = parseNonce(values.nonce);
  if (nonce === undefined) return err(`--nonce takes 1 to ${NONCE_BYTES_MAX} bytes of hex`);
  const atMs = parseTime(values.at);
  if (atMs === undefined) return err("--at takes a time such as 2026-01-03T20:41:07Z");
  const pcrs = parsePcrs(values.pcr ?? []);
  if (!pcrs.ok) return pcrs;
  const isUrl = place.value instanceof URL;
  const ageMsMax = parseAge(values["max-age"], isUrl ? LIVE_AGE_MS_MAX : null);
  if (ageMsMax === undefined) return err("--max-age takes whole seconds");
  const tls = { cert: values.cert, key: values.key, ca: values.ca };
  const hasTls = tls.cert !== undefined || tls.key !== undefined || tls.ca !== undefined;
  if (hasTls && !target.startsWith("https:"))
    return err("--cert, --key and --ca need an https URL");
  if ((tls.cert === undefined) !== (tls.key === undefined))
    return err("--cert and --key go together");
  if (isUrl && atMs !== null) return err("--at is for files: a running signer is judged now");
  return ok({
    target: place.value,
    nonce,
    atMs,
    rootPath: values.root ?? null,
    pcrs: pcrs.value,
    files: {
      release: values.release ?? null,
      manifest: values.manifest ?? null,
      keys: values.keys ?? null,
    },
    allowDebug: values["allow-debug"] ?? false,
    isJson: values.json ?? false,
    ageMsMax,
    tls,
  });
}

function parseTarget(text: string): Result<string | URL, string> {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return ok(text);
  const url = URL.parse(text);
  const isHttp = url !== null && (url.protocol === "https:" || url.protocol === "http:");
  return isHttp ? ok(url) : err("a URL starts with https:// or http://");
}

/** Undefined: malformed; null: not given. */
function parseNonce(text: string | undefined): Uint8Array | null | undefined {
  if (text === undefined) return null;
  const nonce = parseHex(text);
  if (!nonce.ok || nonce.value.length === 0) return undefined;
  return nonce.value.length <= NONCE_BYTES_MAX ? nonce.value : undefined;
}

function parseTime(text: string | undefined): number | null | undefined {
  if (text === undefined) return null;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/.test(text)) return undefined;
  const ms = Date.parse(text);
  if (!Number.isSafeInteger(ms) || ms < 0) return undefined;
  // `Date.parse` turns 30 February into March: what does not come back is no date.
  return new Date(ms).toISOString().startsWith(text.slice(0, 19)) ? ms : undefined;
}

function parseAge(text: string | undefined, otherwise: number | null): number | null | undefined {
  if (text === undefined) return otherwise;
  return /^\d{1,9}$/.test(text) ? Number(text) * 1000 : undefined;
}

export function parsePcrs(
  texts: readonly string[],
): Result<ReadonlyMap<number, Uint8Array>, string> {
  const pcrs = new Map<number, Uint8Array>();
  for (const text of texts) {
    const match = /^(\d{1,2})=([0-9a-fA-F]+)$/.exec(text);
    const index = Number(match?.[1] ?? PCR_COUNT);
    const value = parseHex(match?.[2] ?? "", PCR_BYTES);
    if (index >= PCR_COUNT || !value.ok) {
      return err(`--pcr takes N=HEX, N from 0 to ${PCR_COUNT - 1}, ${PCR_BYTES} bytes of hex`);
    }
    if (pcrs.has(index)) return err(`--pcr ${index} is given twice`);
    pcrs.set(index, value.value);
  }
  return ok(pcrs);
}
