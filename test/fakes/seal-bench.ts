// `redoubt seal` in a folder of its own: keystores that open quickly, a KMS and a Secrets Manager
// in memory, and what the command said.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { openBundle } from "../../enclave/keys/bundle.ts";
import { Keyring } from "../../enclave/keys/keyring.ts";
import { runSeal, type SealPorts } from "../../scripts/cli/seal.ts";
import { createKeystore } from "../../scripts/local/keystores.ts";
import { FakeSecrets } from "./fake-secrets.ts";
import { FakeKms, KEY_ARN, secretOf } from "./sealed-keys.ts";

export const COST = { n: 4 };
export const PASSWORD = "correct horse";

type Report = {
  readonly isSealed: boolean;
  readonly error: string | null;
  readonly secrets: readonly { bundle: string; chunkCount: number; removedCount: number }[];
  readonly bundles: readonly { file: string; id: string; keyCount: number }[];
  readonly resumedCount: number;
  readonly keystores: readonly { file: string; status: string; reason?: string }[];
};

export class Bench {
  readonly dir: string;
  readonly kms = new FakeKms();
  readonly secrets = new FakeSecrets();
  stdout = "";
  stderr = "";
  signal: AbortSignal = new AbortController().signal;

  constructor(dir: string) {
    this.dir = dir;
  }

  get out(): string {
    return join(this.dir, "keys.bundle");
  }

  async keystore(name: string, number: number, change: object = {}): Promise<void> {
    const wish = { secret: secretOf(number), password: PASSWORD, kdf: "scrypt" as const };
    const keystore = await createKeystore({ ...wish, cheap: { n: 4 }, path: "m/12381/3600/0/0/0" });
    await this.file(name, JSON.stringify({ ...keystore, ...change }));
  }

  async file(name: string, text: string): Promise<void> {
    await mkdir(join(this.dir, "keystores"), { recursive: true });
    await writeFile(join(this.dir, "keystores", name), text);
  }

  ports(): SealPorts {
    return {
      stdout: { write: (text) => (this.stdout += text) },
      stderr: { write: (text) => (this.stderr += text) },
      signal: this.signal,
      nowMs: () => 1_767_225_600_000,
      generateDataKey: this.kms.generate,
      secrets: this.secrets,
      partialCost: COST,
    };
  }

  async seal(...args: readonly string[]): Promise<{ code: number; report: Report }> {
    this.stdout = "";
    this.stderr = "";
    const given = [
      "--keystores",
      join(this.dir, "keystores"),
      "--kms-key",
      KEY_ARN,
      "--out",
      this.out,
      "--jobs",
      "2",
      "--json",
      ...args,
    ];
    const code = await runSeal(given, this.ports());
    const report = JSON.parse(this.stdout === "" ? "{}" : this.stdout) as Report; // oxlint-disable-line typescript/no-unsafe-type-assertion -- our own output
    return { code, report };
  }

  async sealWithOnePassword(...args: readonly string[]) {
    await writeFile(join(this.dir, "password.txt"), `${PASSWORD}\n`);
    return this.seal("--password-file", join(this.dir, "password.txt"), ...args);
  }

  /** The keys of a bundle, opened as the enclave does. */
  async keysOf(file: string): Promise<Keyring> {
    const opened = await openBundle(await readFile(file), KEY_ARN, this.kms);
    assert.ok(opened.ok && opened.value.purpose === "redoubt/keys");
    const keyring = new Keyring();
    assert.ok(keyring.add(opened.value.bundle).ok);
    return keyring;
  }
}

export async function bench(t: TestContext): Promise<Bench> {
  const dir = await mkdtemp(join(tmpdir(), "redoubt-seal-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return new Bench(dir);
}
