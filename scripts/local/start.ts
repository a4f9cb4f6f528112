// `npm start`: the whole signer on one machine, with stand-ins for what AWS owns. It sets up what
// is missing, starts everything, shows what to try, and runs until it is told to stop; with
// `--once` it tries everything itself and exits.

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setImmediate } from "node:timers/promises";
import { slotAt } from "../../enclave/core/chains/ethereum/time-bound.ts";
import type { EthereumManifest } from "../../enclave/core/manifest.ts";
import { command as sealCommand } from "../cli/seal.ts";
import { command as stateCommand } from "../cli/state.ts";
import { prepareStoreCredentials, prepareTable, sealStoreBundle } from "./dynamo-setup.ts";
import { type Layout, layoutOf, makeFolders } from "./layout.ts";
import { parseStartOptions, type StartOptions, USAGE, UsageError } from "./options.ts";
import { argumentsOf, type Program } from "./program.ts";
import { requestNetworkOf } from "./request-network.ts";
import { sampleRequests } from "./requests.ts";
import {
  prepareIdentities,
  prepareKeystores,
  prepareManifest,
  SetupError,
  writeParentConfig,
} from "./setup.ts";
import { SignClient } from "./sign-client.ts";
import { Enclave, startDynamo, startKms, startParent } from "./stack.ts";
import { Tour } from "./tour.ts";

const UNIX_PATH_BYTES_MAX = 107;
const READY_DEADLINE_MS = 60_000;
const POLL_MS = 100;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A folder serves one run at a time: two would fight for sockets, ports and the store. */
function takeLock(layout: Layout): void {
  if (existsSync(layout.lock)) {
    const owner = Number(readFileSync(layout.lock, "utf8"));
    if (owner > 0 && isStart(owner)) {
      throw new SetupError(
        `another npm start (process ${owner}, ${layout.lock}) runs on ${layout.folder}`,
      );
    }
  }
  writeFileSync(layout.lock, String(process.pid));
}

/** A number may have gone to another process since. */
function isStart(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("scripts/local/start.ts");
  } catch {
    return false;
  }
}

async function run(options: StartOptions): Promise<boolean> {
  const layout = layoutOf(options.folder);
  if (Buffer.byteLength(join(layout.folder, "tampered-nsm.sock")) > UNIX_PATH_BYTES_MAX) {
    throw new SetupError(`the path of ${layout.folder} is too long for unix sockets; use --dir`);
  }
  makeFolders(layout);
  takeLock(layout);
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const each of stops.toReversed()) await each();
    rmSync(layout.lock, { force: true });
  };
  // A terminal interrupts the children too: their end is no news then.
  let isInterrupted = false;
  const interrupted = new Promise<false>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        isInterrupted = true;
        resolve(false);
      });
    }
    // Whoever started us is gone, even by kill -9.
    process.on("disconnect", () => resolve(false));
    process.channel?.unref();
  });
  try {
    const up = await Promise.race([bringUp(layout, options, stops), interrupted]);
    if (up === false) return !options.isOnce;
    if (options.isOnce) return await Promise.race([tour(layout, up), interrupted]);
    printUsage(layout, up);
    const ended = up.parent.exited.then(async () => {
      await setImmediate();
      if (isInterrupted) return true;
      print("The parent has ended; its log is in logs/parent.log.");
      return false;
    });
    return await Promise.race([ended, interrupted.then(() => true)]);
  } finally {
    print("Stopping.");
    await stop();
  }
}

type Up = {
  readonly manifest: EthereumManifest;
  readonly url: string;
  readonly publicKey: string;
  readonly parent: Program;
};

async function bringUp(
  layout: Layout,
  options: StartOptions,
  stops: (() => Promise<unknown>)[],
): Promise<Up> {
  prepareIdentities(layout);
  const table = options.state === "dynamodb" ? await bringUpTable(layout, stops) : null;
  const manifest = prepareManifest(layout, options, table?.state);
  const keystores = await prepareKeystores(layout, options);
  const kms = await startKms(layout);
  stops.push(() => kms.program.stop());
  void kms.program.exited.then(() => {
    if (kms.program.isStopping) return;
    print("     the local KMS has ended (logs/kms.log): an enclave that boots now gets no keys");
  });
  print("ok   local KMS and Secrets Manager run (they verify attestation documents)");
  if (keystores !== null) await seal(layout, manifest, keystores, kms.port);
  if (table !== null) await sealStoreBundle(layout, manifest.kmsKeyArn, kms.port);
  writeParentConfig(layout, options, kms.port, table?.port ?? null);
  const enclave = new Enclave(layout, () => print("     the enclave ended; booting it again"));
  await enclave.start();
  stops.push(() => enclave.stop());
  print("ok   the enclave runs, on a simulated NSM");
  const parent = startParent(layout);
  stops.push(() => parent.stop());
  await parent.ready;
  await awaitReady(options.port + 1, parent);
  const exitCode = await quietly(() =>
    stateCommand.run(["init", "--all", "--admin", `unix://${layout.adminSocket}`]),
  );
  if (exitCode !== 0) throw new SetupError("`redoubt state init` failed");
  const url = `https://127.0.0.1:${options.port}`;
  const client = clientOf(layout, url);
  const keys = await client.send("GET", "/api/v1/eth2/publicKeys");
  client.close();
  writeFileSync(layout.publicKeys, `${keys.text}\n`);
  const endpoint = { url, operations: `http://127.0.0.1:${options.port + 1}` };
  writeFileSync(layout.endpoint, `${JSON.stringify(endpoint)}\n`);
  const publicKeys = Array.isArray(keys.body) ? keys.body.map(String) : [];
  const [publicKey = ""] = publicKeys;
  writeExampleRequest(layout, manifest, publicKey);
  print(
    `ok   KMS released the bundle to the attested enclave: ${publicKeys.length} keys ready at ${url}`,
  );
  return { manifest, url, publicKey, parent };
}

async function bringUpTable(layout: Layout, stops: (() => Promise<unknown>)[]) {
  prepareStoreCredentials(layout);
  const { program, port } = await startDynamo(layout);
  stops.push(() => program.stop());
  const state = await prepareTable(layout, port);
  print("ok   local DynamoDB runs, with a table for the state");
  return { port, state };
}

/** A request that may be asked for again and again: the present epoch's RANDAO reveal. */
function writeExampleRequest(layout: Layout, manifest: EthereumManifest, publicKey: string): void {
  const { network } = manifest.ethereum;
  const slot = Math.max(0, Number(slotAt(network, Date.now())));
  const requests = sampleRequests(requestNetworkOf(network, slot), slot, publicKey);
  const reveal = requests.find(({ kind }) => kind === "RANDAO_REVEAL");
  writeFileSync(layout.exampleRequest, `${JSON.stringify(reveal?.body, null, 2)}\n`);
}

async function seal(
  layout: Layout,
  manifest: EthereumManifest,
  keystores: { readonly folder: string; readonly passwordFile: string },
  kmsPort: number,
): Promise<void> {
  const exitCode = await sealCommand.run(
    argumentsOf({
      keystores: keystores.folder,
      "password-file": keystores.passwordFile,
      "kms-key": manifest.kmsKeyArn,
      out: join(layout.bundleFolder, "keys.bundle"),
      "kms-endpoint": `https://127.0.0.1:${kmsPort}`,
      "kms-ca": layout.caCertificate,
      credentials: layout.sealingCredentials,
    }),
  );
  if (exitCode !== 0) throw new SetupError("`redoubt seal` failed");
}

/** Runs a command without its output, which is for people who ran it themselves. */
async function quietly<T>(run: () => Promise<T>): Promise<T> {
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

function clientOf(layout: Layout, url: string): SignClient {
  return new SignClient(url, {
    ca: layout.caCertificate,
    certificate: layout.clientCertificate,
    key: layout.clientKey,
  });
}

async function tour(layout: Layout, up: Up): Promise<boolean> {
  const client = clientOf(layout, up.url);
  const keys: unknown = JSON.parse(readFileSync(layout.publicKeys, "utf8"));
  const publicKeys = Array.isArray(keys) ? keys.map(String) : [];
  const isRight = await new Tour(layout, up.manifest, client, up.url, print).run(publicKeys);
  client.close();
  print(isRight ? "Everything held." : "Something failed; see the lines with FAIL.");
  return isRight;
}

function fromHere(path: string): string {
  return relative(process.cwd(), path);
}

function printUsage(layout: Layout, { url, publicKey }: Up): void {
  const curl =
    `curl --cacert ${fromHere(layout.caCertificate)} --cert ${fromHere(layout.clientCertificate)}` +
    ` --key ${fromHere(layout.clientKey)}`;
  print(`
The signer runs. Try, in another terminal:

  ${curl} ${url}/api/v1/eth2/publicKeys
  ${curl} '${url}/attestation?nonce=00112233'
  ${curl} -H 'Content-Type: application/json' -H 'Accept: application/json' \\
    -d @${fromHere(layout.exampleRequest)} ${url}/api/v1/eth2/sign/${publicKey}

  scripts/redoubt verify ${url} --root ${fromHere(layout.nsmRoot)} \\
    --cert ${fromHere(layout.clientCertificate)} --key ${fromHere(layout.clientKey)} --ca ${fromHere(layout.caCertificate)} \\
    --manifest ${fromHere(layout.manifest)} --keys ${fromHere(layout.publicKeys)}
  scripts/redoubt state show --admin unix://${layout.adminSocket}
  curl ${url.replace("https", "http").replace(/\d+$/, (port) => String(Number(port) + 1))}/readyz

Files are in ${fromHere(layout.folder)}, logs in ${fromHere(layout.logFolder)}. Ctrl-C stops everything.
`);
}

try {
  const options = parseStartOptions(process.argv.slice(2));
  if (options === null) print(USAGE);
  else process.exitCode = (await run(options)) ? 0 : 1;
} catch (error) {
  const isUsage = error instanceof UsageError;
  const text = error instanceof Error ? error.message : "failed";
  process.stderr.write(`npm start: ${text}\n${isUsage ? `\n${USAGE}` : ""}`);
  process.exitCode = isUsage ? 2 : 1;
}
// Children are stopped by now; whatever still holds the event loop is not waited for.
process.exit();
