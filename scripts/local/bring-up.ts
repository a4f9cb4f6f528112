// What bringing a local signer up takes, whichever chains it signs for.

import { relative } from "node:path";
import { command as sealCommand } from "../cli/seal.ts";
import { command as stateCommand } from "../cli/state.ts";
import { prepareStoreCredentials, prepareTable } from "./dynamo-setup.ts";
import type { JsonObject } from "./json-fields.ts";
import type { Layout } from "./layout.ts";
import type { Program } from "./program.ts";
import { SetupError } from "./setup.ts";
import { SignClient } from "./sign-client.ts";
import { Enclave, startDynamo, startKms, startParent } from "./stack.ts";

/** What ends the run, to be called last first. */
export type Stops = (() => Promise<unknown>)[];

/** A chain family's way to run locally. */
export type LocalRun = {
  readonly parent: Program;
  /** Tries everything; true when all of it held. */
  readonly tour: () => Promise<boolean>;
  /** What to try by hand. */
  readonly usage: () => string;
};

const READY_DEADLINE_MS = 60_000;
const POLL_MS = 100;

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export async function bringUpTable(
  layout: Layout,
  stops: Stops,
): Promise<{ readonly port: number; readonly state: JsonObject }> {
  prepareStoreCredentials(layout);
  const { program, port } = await startDynamo(layout);
  stops.push(() => program.stop());
  const state = await prepareTable(layout, port);
  print("ok   local DynamoDB runs, with a table for the state");
  return { port, state };
}

/** KMS that verifies attestation documents; answers its port. */
export async function bringUpKms(layout: Layout, stops: Stops): Promise<number> {
  const kms = await startKms(layout);
  stops.push(() => kms.program.stop());
  void kms.program.exited.then(() => {
    if (kms.program.isStopping) return;
    print("     the local KMS has ended (logs/kms.log): an enclave that boots now gets no keys");
  });
  print("ok   local KMS and Secrets Manager run (they verify attestation documents)");
  return kms.port;
}

/** Enclave and parent, until the signer is ready and each key has a record. */
export async function bringUpSigner(
  layout: Layout,
  port: number,
  stops: Stops,
): Promise<{ readonly enclave: Enclave; readonly parent: Program }> {
  const enclave = new Enclave(layout, () => print("     the enclave ended; booting it again"));
  await enclave.start();
  stops.push(() => enclave.stop());
  print("ok   the enclave runs, on a simulated NSM");
  const parent = startParent(layout);
  stops.push(() => parent.stop());
  await parent.ready;
  await awaitReady(port + 1, parent);
  const exitCode = await quietly(() =>
    stateCommand.run(["init", "--all", "--admin", `unix://${layout.adminSocket}`]),
  );
  if (exitCode !== 0) throw new SetupError("`redoubt state init` failed");
  return { enclave, parent };
}

/** Runs `redoubt seal`. */
export async function seal(args: readonly string[]): Promise<void> {
  if ((await sealCommand.run(args)) !== 0) throw new SetupError("`redoubt seal` failed");
}

/** Runs a command without its output, which is for people who ran it themselves. */
export async function quietly<T>(run: () => Promise<T>): Promise<T> {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = () => true;
  try {
    return await run();
  } finally {
    process.stdout.write = write;
  }
}

async function awaitReady(opsPort: number, parent: Program): Promise<void> {
  const deadlineMs = Date.now() + READY_DEADLINE_MS;
  let last = "";
  while (Date.now() < deadlineMs) {
    const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`).catch(() => null);
    if (answer?.ok === true) return;
    last = answer === null ? "no answer" : await answer.text();
    const pause = new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
    const ended = parent.exited.then(() => {
      throw new SetupError(`the parent ended:\n${parent.lastLines}`);
    });
    await Promise.race([pause, ended]);
  }
  throw new SetupError(`the signer is not ready: ${last}`);
}

export function clientOf(layout: Layout, url: string): SignClient {
  return new SignClient(url, {
    ca: layout.caCertificate,
    certificate: layout.clientCertificate,
    key: layout.clientKey,
  });
}

export function fromHere(path: string): string {
  return relative(process.cwd(), path);
}
