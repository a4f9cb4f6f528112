// The keystores of a folder, and their passwords: which files there are, and opening them all,
// several at once, with what an earlier run has opened already. Nothing here stops at the first
// fault: whoever imports a thousand keys wants to know of every bad file after one run. It must
// never drop a file silently: each is opened, failed or ignored, by name.

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { wipe } from "../../enclave/keys/secret.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import {
  encodePassword,
  type Keystore,
  type KeystoreFault,
  memoryBytesOf,
  type OpenedKeystore,
  openKeystore,
  parseKeystore,
} from "./keystore.ts";
import { type PartialEntry, type PartialFile } from "./partial-file.ts";

const PASSWORD_BYTES_MAX = 4096;
/** An interruption loses at most this much work. */
const SEGMENT_COUNT = 64;
const SEGMENT_MS = 20_000;

export type FileFault =
  | KeystoreFault
  | "no password file"
  | "unreadable"
  | "unreadable password file"
  | "interrupted"
  | `duplicate of ${string}`;

/** A file of the folder that can be opened. */
export type KeystoreFile = {
  readonly name: string;
  readonly digest: Uint8Array;
  readonly keystore: Keystore;
  readonly password: Uint8Array;
};

export type PasswordSource =
  | { readonly kind: "one"; readonly file: string }
  /** For NAME.json the file NAME.txt of this folder. */
  | { readonly kind: "each"; readonly dir: string };

export type KeystoreOutcome = {
  readonly name: string;
  readonly outcome: Result<OpenedKeystore, FileFault>;
};

/** Reads every `*.json` of the folder, in the order of their names. */
export async function readKeystoreFolder(
  dir: string,
  passwords: PasswordSource,
): Promise<readonly { name: string; file: Result<KeystoreFile, FileFault> }[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(".json")).sort();
  const shared = passwords.kind === "one" ? await readPassword(passwords.file) : null;
  const read = [];
  for (const name of names) {
    const file = await readKeystoreFile(join(dir, name), name);
    if (!file.ok) {
      read.push({ name, file });
      continue;
    }
    const password =
      passwords.kind === "each"
        ? await readPassword(join(passwords.dir, name.replace(/\.json$/, ".txt")))
        : (shared ?? err("no password file" as const));
    read.push({
      name,
      file: password.ok ? ok({ ...file.value, password: password.value }) : password,
    });
  }
  return read;
}

async function readKeystoreFile(
  path: string,
  name: string,
): Promise<Result<Omit<KeystoreFile, "password">, FileFault>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch {
    return err("unreadable");
  }
  const keystore = parseKeystore(bytes);
  if (!keystore.ok) return keystore;
  const digest = createHash("sha256").update(bytes).digest();
  return ok({ name, digest, keystore: keystore.value });
}

async function readPassword(path: string): Promise<Result<Uint8Array, FileFault>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    return err(isMissing ? "no password file" : "unreadable password file");
  }
  try {
    if (bytes.length > PASSWORD_BYTES_MAX) return err("unreadable password file");
    // A final line break is a control character, which EIP-2335 drops.
    return ok(encodePassword(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    return err("unreadable password file");
  } finally {
    wipe(bytes);
  }
}

/** How many keystores to open at once: as many as there are processors and memory for. */
export function jobCountFor(
  files: readonly KeystoreFile[],
  processorCount: number,
  memoryBytes: number,
): number {
  let largestBytes = 1;
  for (const { keystore } of files) {
    largestBytes = Math.max(largestBytes, memoryBytesOf(keystore.kdf));
  }
  return Math.max(1, Math.min(processorCount, Math.floor(memoryBytes / 2 / largestBytes)));
}

export type OpenAllOptions = {
  readonly jobCount: number;
  readonly partial: PartialFile;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** Called for each file as it is done; `isResumed` when an earlier run had opened it. */
  readonly onDone: (name: string, isResumed: boolean) => void;
};

/** Opens what can be opened. The caller owns the secrets of the outcomes. */
export async function openKeystores(
  files: readonly KeystoreFile[],
  options: OpenAllOptions,
): Promise<readonly KeystoreOutcome[]> {
  const { partial, signal } = options;
  const passwords = new Map(files.map((file) => [encodeHex(file.digest), file.password]));
  const earlier = await partial.load((digest) => passwords.get(digest));
  const outcomes = new Map<string, Result<OpenedKeystore, FileFault>>();
  const waiting: KeystoreFile[] = [];
  for (const file of files) {
    const known = earlier.get(encodeHex(file.digest));
    if (known === undefined) waiting.push(file);
    else {
      outcomes.set(file.name, ok(known));
      options.onDone(file.name, true);
    }
  }
  const saver = new SegmentSaver(partial, options.nowMs);
  const queue = waiting.values();
  const work = async (): Promise<void> => {
    for (const file of queue) {
      if (signal.aborted) return;
      const opened = await openKeystore(file.keystore, file.password);
      outcomes.set(file.name, opened);
      if (opened.ok) {
        await saver.add({ ...opened.value, digest: file.digest, password: file.password });
      }
      options.onDone(file.name, false);
    }
  };
  await Promise.all(Array.from({ length: options.jobCount }, work));
  await saver.flush();
  return files.map(({ name }) => ({ name, outcome: outcomes.get(name) ?? err("interrupted") }));
}

/** Collects opened keys into segments, and writes one at a time. */
class SegmentSaver {
  readonly #partial: PartialFile;
  readonly #nowMs: () => number;
  #entries: PartialEntry[] = [];
  #savedMs: number;
  #writing: Promise<void> = Promise.resolve();

  constructor(partial: PartialFile, nowMs: () => number) {
    this.#partial = partial;
    this.#nowMs = nowMs;
    this.#savedMs = nowMs();
  }

  async add(entry: PartialEntry): Promise<void> {
    this.#entries.push(entry);
    const isDue =
      this.#entries.length >= SEGMENT_COUNT || this.#nowMs() - this.#savedMs >= SEGMENT_MS;
    if (isDue) await this.flush();
  }

  flush(): Promise<void> {
    const entries = this.#entries;
    this.#entries = [];
    this.#savedMs = this.#nowMs();
    this.#writing = this.#writing.then(() => this.#partial.append(entries));
    return this.#writing;
  }
}
