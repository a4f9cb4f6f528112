// Secrets Manager in memory, as the writer of bundles sees it: every call is noted, and one of them
// fails or interrupts when a test says so.

import type { SecretClient } from "../../scripts/cli/secret-writer.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export class FakeSecrets implements SecretClient {
  readonly values = new Map<string, Uint8Array>();
  /** `put NAME`, in their order. */
  readonly calls: string[] = [];
  /** The number of the call that fails, from 1 on. */
  failAt: number | null = null;
  closeCount = 0;
  /** Called after each call took effect. */
  onCall: () => void = () => {};

  put(name: string, bytes: Uint8Array): Promise<Result<boolean, string>> {
    return this.#call(`put ${name}`, () => {
      if (!this.values.has(name)) return false;
      this.values.set(name, bytes);
      return true;
    });
  }

  create(name: string, bytes: Uint8Array): Promise<Result<null, string>> {
    return this.#call(`create ${name}`, () => {
      this.values.set(name, bytes);
      return null;
    });
  }

  isPresent(name: string): Promise<Result<boolean, string>> {
    return this.#call(`isPresent ${name}`, () => this.values.has(name));
  }

  remove(name: string): Promise<Result<null, string>> {
    return this.#call(`remove ${name}`, () => {
      this.values.delete(name);
      return null;
    });
  }

  close(): void {
    this.closeCount += 1;
  }

  #call<T>(call: string, run: () => T): Promise<Result<T, string>> {
    this.calls.push(call);
    if (this.calls.length === this.failAt) return Promise.resolve(err(`${call} failed`));
    const answer = ok(run());
    this.onCall();
    return Promise.resolve(answer);
  }
}
