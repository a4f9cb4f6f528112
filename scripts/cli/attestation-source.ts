// Where `redoubt verify` gets its bytes: a file, or a running signer asked with a fresh nonce. It
// only fetches and takes apart; it must never judge, and never read more than its limit.

import { request as requestHttp } from "node:http";
import { type RequestOptions, request as requestHttps } from "node:https";
import { parseBase64 } from "../../enclave/aws/base64.ts";
import { readBoundedFile, TOO_LARGE } from "../../parent/platform/bounded-reader.ts";
import type { StatedKey } from "../../shared/attestation/statement.ts";
import { encodeHex, parseHex } from "../../shared/bytes/hex.ts";
import {
  ATTESTATION_BYTES_MAX,
  KEY_COUNT_MAX,
  KMS_DEADLINE_MS,
  MANIFEST_BYTES_MAX,
} from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { isScheme, SCHEMES } from "../../shared/scheme.ts";
import { parseJson } from "../image/json-text.ts";

/** What was found: a bare document, or one with the manifest and keys that it commits to. */
export type AttestationSource = {
  readonly document: Uint8Array;
  readonly manifest: Uint8Array | null;
  readonly keys: readonly StatedKey[] | null;
};

export type TlsFiles = {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly ca: string | undefined;
};

/** 100,000 keys of 96 hex digits, a manifest in base64, a document. */
const SOURCE_BYTES_MAX = 32 * 1024 * 1024;
const OPENING_BRACE = 0x7b;

/** Reads a file; the error is a sentence for people. */
export async function readSourceFile(
  path: string,
  bytesMax = SOURCE_BYTES_MAX,
): Promise<Result<Uint8Array, string>> {
  const bytes = await readBoundedFile(path, bytesMax);
  if (bytes.ok) return ok(new Uint8Array(bytes.value));
  if (bytes.error === TOO_LARGE) return err(`${path} is larger than ${bytesMax} bytes`);
  return err(`${path} can't be read (${bytes.error})`);
}

export type TlsOptions = Pick<RequestOptions, "cert" | "key" | "ca">;

/** The PEM files of an https URL; the error is a sentence for people. */
export async function readTlsFiles(files: TlsFiles): Promise<Result<TlsOptions, string>> {
  const options: TlsOptions = {};
  for (const name of ["cert", "key", "ca"] as const) {
    const path = files[name];
    if (path === undefined) continue;
    const pem = await readSourceFile(path);
    if (!pem.ok) return pem;
    options[name] = Buffer.from(pem.value);
  }
  return ok(options);
}

/** GET the attestation of a signer over `nonce`. A URL without a path gets `/attestation`. */
export async function fetchSource(
  url: URL,
  nonce: Uint8Array,
  tls: TlsOptions,
): Promise<Result<Uint8Array, string>> {
  const target = new URL(url);
  if (target.pathname === "/") target.pathname = "/attestation";
  target.searchParams.set("nonce", encodeHex(nonce));
  try {
    return ok(await get(target, tls));
  } catch (error) {
    const reason = reasonOf(error);
    const hint = TLS_HINTS[reason];
    return err(
      `${target.origin} can't be asked (${reason})${hint === undefined ? "" : `: ${hint}`}`,
    );
  }
}

const CA_HINT = "name the authority of its certificate with --ca";
const CERT_HINT = "it may want a client certificate, with --cert and --key";
/** What to do about the failures that have one likely reason. */
const TLS_HINTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: CA_HINT,
  SELF_SIGNED_CERT_IN_CHAIN: CA_HINT,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: CA_HINT,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: CA_HINT,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: CERT_HINT,
  // A signer that sends the alert and closes: which of the two arrives first is chance.
  ECONNRESET: CERT_HINT,
};

function get(url: URL, tls: TlsOptions): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const send = url.protocol === "https:" ? requestHttps : requestHttp;
  const options: RequestOptions = {
    ...tls,
    minVersion: "TLSv1.3",
    signal: AbortSignal.timeout(KMS_DEADLINE_MS),
    agent: false,
  };
  const request = send(url, options, (response) => {
    const chunks: Buffer[] = [];
    let byteCount = 0;
    response.on("data", (chunk: Buffer) => {
      byteCount += chunk.length;
      if (byteCount > SOURCE_BYTES_MAX) response.destroy(new Error("the answer is too large"));
      else chunks.push(chunk);
    });
    response.on("error", reject);
    response.on("end", () => {
      if (response.statusCode === 200) resolve(new Uint8Array(Buffer.concat(chunks)));
      else reject(new Error(`status ${response.statusCode ?? 0}`));
    });
  });
  request.on("error", reject);
  request.end();
  return promise;
}

function reasonOf(error: unknown): string {
  if (error instanceof Error) return "code" in error ? String(error.code) : error.message;
  return "unknown";
}

/** A document, or the JSON object that the signer answers; other members of it are passed over. */
export function parseSource(bytes: Uint8Array): Result<AttestationSource, string> {
  if (bytes[0] !== OPENING_BRACE) return ok({ document: bytes, manifest: null, keys: null });
  const members = parseObject(bytes);
  if (members === undefined) return err("the answer is not a JSON object, or has a name twice");
  const document = parseBytes(members.get("document"), ATTESTATION_BYTES_MAX);
  const manifest = parseBytes(members.get("manifest"), MANIFEST_BYTES_MAX);
  const keys = parseKeys(members.get("publicKeys"));
  if (document === undefined) return err("`document` is not base64 of a document");
  if (manifest === undefined) return err("`manifest` is not base64 of a manifest");
  if (keys === undefined) return err("`publicKeys` is not a list of public keys in hex");
  return ok({ document, manifest, keys });
}

/** A JSON list of public keys in hex, each of either form; undefined for anything else. */
export function parseKeyList(bytes: Uint8Array): readonly StatedKey[] | undefined {
  return parseKeys(readJson(bytes));
}

/** Without a name twice: another reader of the same answer would judge another document. */
function readJson(bytes: Uint8Array): unknown {
  try {
    const parsed = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return parsed.ok ? parsed.value : undefined;
  } catch {
    return undefined;
  }
}

function parseObject(bytes: Uint8Array): ReadonlyMap<string, unknown> | undefined {
  const value = readJson(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return new Map<string, unknown>(Object.entries(value));
}

function parseBytes(value: unknown, byteCountMax: number): Uint8Array | undefined {
  const bytes = typeof value === "string" ? parseBase64(value, byteCountMax) : null;
  return bytes?.ok === true ? bytes.value : undefined;
}

function parseKeys(value: unknown): readonly StatedKey[] | undefined {
  if (!Array.isArray(value) || value.length > KEY_COUNT_MAX) return undefined;
  const keys: StatedKey[] = [];
  for (const text of value) {
    if (typeof text !== "string") return undefined;
    const publicKey = parseHex(text.startsWith("0x") ? text.slice(2) : text);
    const key = publicKey.ok ? statedKeyOf(publicKey.value) : undefined;
    if (key === undefined) return undefined;
    keys.push(key);
  }
  return keys;
}

/** The list has no schemes in it: the length of a public key tells, as long as only one fits. */
function statedKeyOf(publicKey: Uint8Array): StatedKey | undefined {
  const schemes = Object.entries(SCHEMES)
    .filter(([, scheme]) => scheme.publicKeyBytes === publicKey.length)
    .map(([name]) => name)
    .filter(isScheme);
  const [scheme, other] = schemes;
  return scheme === undefined || other !== undefined ? undefined : { scheme, publicKey };
}
