// `redoubt seal --send`: a bundle that is sealed already, into Secrets Manager. It opens no key and
// asks KMS nothing. It must never write what is not a bundle.

import { readBoundedFile, TOO_LARGE } from "../../parent/platform/bounded-reader.ts";
import { parseBundle } from "../../shared/bundle/format.ts";
import { parseKeyArn } from "../../shared/key-arn.ts";
import { BUNDLE_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { ExitCode } from "./command.ts";
import { bundleNameOf, type SendOptions } from "./seal-options.ts";
import { type SecretPorts, type StoredBundle, storeBundles } from "./secret-writer.ts";

type Output = { write(text: string): unknown };
type ReadBundle = { readonly bytes: Uint8Array; readonly region: string };

export async function runSend(
  options: SendOptions,
  isJson: boolean,
  ports: SecretPorts & { readonly stdout: Output },
): Promise<ExitCode> {
  const bundle = await readBundle(options.file);
  const { stored, error } = bundle.ok
    ? await storeBundles(
        [{ name: bundleNameOf(options.file), bytes: bundle.value.bytes }],
        { ...options, region: options.region ?? bundle.value.region },
        ports,
      )
    : { stored: [], error: bundle.error };
  if (isJson) ports.stdout.write(`${JSON.stringify({ error, secrets: stored })}\n`);
  else printStored(stored, ports.stdout);
  if (error !== null && !isJson) ports.stderr.write(`redoubt seal: ${error}\n`);
  return error === null ? 0 : 1;
}

export function printStored(stored: readonly StoredBundle[], stdout: Output): void {
  for (const { bundle, prefix, region, chunkCount, removedCount } of stored) {
    const removed = removedCount === 0 ? "" : `, ${removedCount} of an earlier bundle removed`;
    stdout.write(`sent ${prefix}/${bundle} to ${region}: ${chunkCount} secrets${removed}\n`);
  }
}

async function readBundle(file: string): Promise<Result<ReadBundle, string>> {
  const read = await readBoundedFile(file, BUNDLE_BYTES_MAX);
  if (!read.ok) {
    return err(read.error === TOO_LARGE ? `${file} is too large` : `can't read ${file}`);
  }
  const bytes = read.value;
  const bundle = parseBundle(bytes);
  const keyArn = bundle.ok ? parseKeyArn(bundle.value.header.keyArn) : bundle;
  return keyArn.ok ? ok({ bytes, region: keyArn.value.region }) : err(`${file} is not a bundle`);
}
