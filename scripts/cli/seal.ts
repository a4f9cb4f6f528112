// `redoubt seal`: keys in, sealed bundles out. It must never overwrite a bundle, and never print a
// secret or a password.

import { readFile, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { parseBundle } from "../../shared/bundle/format.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { BUNDLE_BYTES_MAX } from "../../shared/limits.ts";
import { ok } from "../../shared/result.ts";
import type { GenerateDataKey } from "./bundle-sealer.ts";
import type { Command, ExitCode } from "./command.ts";
import { PARTIAL_COST, type PartialCost } from "./partial-file.ts";
import { isPresent, printReport } from "./seal-keys.ts";
import { sealKeystores } from "./seal-keystores.ts";
import { parseSealArgs, SEAL_USAGE, type SealRequest, type SealTarget } from "./seal-options.ts";
import { runSend } from "./seal-send.ts";
import { runStoreSeal } from "./seal-store.ts";
import { sealValidatorKeys } from "./seal-validator-keys.ts";
import type { SecretPorts } from "./secret-writer.ts";

/** What tests replace. */
export type SealPorts = SecretPorts & {
  readonly stdout: { write(text: string): unknown };
  /** Null: KMS over the network. */
  readonly generateDataKey: GenerateDataKey | null;
  readonly partialCost: PartialCost;
};

export const command: Command = {
  name: "seal",
  summary: "seal keystores or validator keys into a bundle that only an attested enclave opens",
  usage: SEAL_USAGE,
  run: async (args) => {
    // Key derivation runs on libuv's threads, 4 unless this is set before the first one starts.
    process.env["UV_THREADPOOL_SIZE"] ??= String(availableParallelism());
    const abort = new AbortController();
    const onSignal = (): void => abort.abort();
    // Not once: a terminal and the launcher above us both deliver one Ctrl-C.
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
    try {
      return await runSeal(args, {
        stdout: process.stdout,
        stderr: process.stderr,
        signal: abort.signal,
        nowMs: () => Date.now(),
        generateDataKey: null,
        secrets: null,
        partialCost: PARTIAL_COST,
      });
    } finally {
      process.removeListener("SIGINT", onSignal).removeListener("SIGTERM", onSignal);
    }
  },
};

export async function runSeal(args: readonly string[], ports: SealPorts): Promise<ExitCode> {
  const request = await parseSealArgs(args);
  if (!request.ok) return usageFault(`${request.error}; see --help`, ports);
  switch (request.value.kind) {
    case "help":
      ports.stdout.write(SEAL_USAGE);
      return 0;
    case "show":
      return showBundle(request.value.file, request.value.isJson, ports);
    case "send":
      return runSend(request.value.options, request.value.isJson, ports);
    case "store":
    case "keystores":
    case "validators":
      return sealInto(request.value, ports);
  }
}

/** What makes a bundle. */
type SealingRequest = Extract<SealRequest, { readonly kind: "store" | "keystores" | "validators" }>;

async function sealInto(request: SealingRequest, ports: SealPorts): Promise<ExitCode> {
  const { options, isJson } = request;
  if (await isPresent(options.out)) {
    return usageFault(`${options.out} exists; it is not overwritten`, ports);
  }
  const connect = async () => ports.generateDataKey ?? (await connectToKms(options));
  const connecting = { ...ports, connect };
  if (request.kind === "store") return runStoreSeal(request.options, isJson, connecting);
  const sealed =
    request.kind === "keystores"
      ? await sealKeystores(request.options, connecting)
      : ok(await sealValidatorKeys(request.options, connecting));
  if (!sealed.ok) return usageFault(sealed.error, ports);
  const noun = request.kind === "keystores" ? "keystores" : "key files";
  if (isJson) ports.stdout.write(`${JSON.stringify(sealed.value)}\n`);
  else printReport(sealed.value, noun, ports);
  return sealed.value.error === null ? 0 : 1;
}

/** Nothing was begun. */
function usageFault(fault: string, ports: SealPorts): ExitCode {
  ports.stderr.write(`redoubt seal: ${fault}\n`);
  return 2;
}

/** The AWS SDK is loaded here and not above: it takes longer than most commands do. */
async function connectToKms(options: SealTarget): Promise<GenerateDataKey> {
  const { createDataKeyGenerator } = await import("./data-key.ts");
  return createDataKeyGenerator(options.keyArn, options.aws);
}

async function showBundle(file: string, isJson: boolean, ports: SealPorts): Promise<ExitCode> {
  if (!(await isPresent(file)) || (await stat(file)).size > BUNDLE_BYTES_MAX) {
    ports.stderr.write(`redoubt seal: ${file} is missing or too large\n`);
    return 1;
  }
  const bundle = parseBundle(await readFile(file));
  if (!bundle.ok) {
    ports.stderr.write(`redoubt seal: ${file} is not a bundle\n`);
    return 1;
  }
  const { id, purpose, keyArn, keyCount, createdMs, wrappedKey } = bundle.value.header;
  const shown = {
    bundle: encodeHex(id),
    purpose,
    kmsKey: keyArn,
    keyCount,
    created: new Date(createdMs).toISOString(),
    wrappedKeyBytes: wrappedKey.length,
  };
  if (isJson) ports.stdout.write(`${JSON.stringify(shown)}\n`);
  else {
    for (const [name, value] of Object.entries(shown)) {
      ports.stdout.write(`${name.padEnd(16)}${value}\n`);
    }
  }
  return 0;
}
