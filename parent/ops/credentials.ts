// AWS credentials for the enclave, from the instance's role (IMDSv2) or from a file, renewed well
// before they expire. The parent can use them itself, so they protect nothing from it. It must
// never log them, and never give up: without credentials no key is released after the next boot.

import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { refusal } from "../../shared/errors.ts";
import { CREDENTIAL_BYTES_MAX } from "../../shared/limits.ts";
import { err, type Result } from "../../shared/result.ts";
import { Backoff } from "../link/backoff.ts";
import { readBoundedFile, TOO_LARGE } from "../platform/bounded-reader.ts";
import type { Credentials, Log } from "../ports.ts";
import type { CredentialSource } from "./config.ts";
import { type CredentialRefusal, parseCredentials } from "./credential-format.ts";
import { readInstanceCredentials } from "./imds.ts";

export type CredentialFeed = { stop(): void };

/** Waits; rejects when the signal aborts. For tests. */
export type Sleep = (delayMs: number, signal: AbortSignal) => Promise<void>;

const IMDS_URL = "http://169.254.169.254";
const RETRY = { minMs: 1000, maxMs: 60_000 };
/** New ones are there well before: AWS promises them five minutes before the old ones expire. */
const RENEWAL_MARGIN_MS = 10 * 60_000;
const RENEWAL_MS_MAX = 3_600_000;
const RENEWAL_MS_MIN = 15_000;
/** How often a file is looked at. */
const FILE_INTERVAL_MS = 5000;
const FILE_BYTES_MAX = 2 * CREDENTIAL_BYTES_MAX;

/** Calls `onCredentials` with the first, and then whenever they are others. */
export function startCredentials(
  source: CredentialSource,
  onCredentials: (credentials: Credentials) => void,
  log: Log,
  wait: Sleep = waitFor,
): CredentialFeed {
  const stopping = new AbortController();
  void feed(source, onCredentials, log, wait, stopping.signal);
  return { stop: () => stopping.abort() };
}

/** Does not keep the process alive. */
async function waitFor(delayMs: number, signal: AbortSignal): Promise<void> {
  await sleep(delayMs, undefined, { signal, ref: false });
}

async function feed(
  source: CredentialSource,
  onCredentials: (credentials: Credentials) => void,
  log: Log,
  wait: Sleep,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff(RETRY);
  const read = createReader(source);
  let last = "";
  let loggedCode = "";
  while (!signal.aborted) {
    const credentials = await read();
    if (signal.aborted) return;
    let delayMs: number;
    if (credentials.ok) {
      backoff.reset();
      loggedCode = "";
      const text = JSON.stringify(credentials.value);
      if (text !== last) onCredentials(credentials.value);
      last = text;
      delayMs =
        source.kind === "file" ? FILE_INTERVAL_MS : renewalMs(credentials.value, Date.now());
    } else {
      const { code } = credentials.error;
      if (code !== loggedCode) log.warn("credentials.failed", { code });
      loggedCode = code;
      delayMs = backoff.nextMs();
    }
    try {
      await wait(delayMs, signal);
    } catch {
      return;
    }
  }
}

/** Ten minutes before the end, at least each hour; the jitter keeps a fleet from coming at once. */
export function renewalMs(
  credentials: Credentials,
  nowMs: number,
  random: () => number = Math.random,
): number {
  const { expirationMs } = credentials;
  const leftMs = expirationMs === 0 ? RENEWAL_MS_MAX : expirationMs - RENEWAL_MARGIN_MS - nowMs;
  const delayMs = Math.min(RENEWAL_MS_MAX, Math.max(RENEWAL_MS_MIN, leftMs));
  return delayMs * (0.9 + random() / 10);
}

function createReader(
  source: CredentialSource,
): () => Promise<Result<Credentials, CredentialRefusal>> {
  if (source.kind === "imds") {
    return () => readInstanceCredentials(source.baseUrl ?? IMDS_URL);
  }
  // A file that has not changed is not read again.
  let stamp = "";
  let kept: Result<Credentials, CredentialRefusal> = err(refusal("CREDENTIALS_MISSING"));
  return async () => {
    const stampNow = await stampOf(source.path);
    if (stampNow === "" || stampNow !== stamp || !kept.ok) kept = await readFileOf(source.path);
    stamp = stampNow;
    return kept;
  };
}

async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return "";
  }
}

async function readFileOf(path: string): Promise<Result<Credentials, CredentialRefusal>> {
  const bytes = await readBoundedFile(path, FILE_BYTES_MAX);
  if (bytes.ok) return parseCredentials(new TextDecoder().decode(bytes.value));
  return err(refusal(bytes.error === TOO_LARGE ? "CREDENTIALS_MALFORMED" : "CREDENTIALS_MISSING"));
}
