// Where the enclave is, and what follows from it: over vsock the ports of store and relay are part
// of the image, so the configuration need not repeat them. It must never fill in an address for an
// enclave that does not come over vsock.

import { z } from "zod";
import type { Address } from "../../shared/address.ts";
import { CID_ANY } from "../../shared/wire/vsock.ts";
import { addressOf } from "./address-schema.ts";

/** The same for everybody: a fixed address, or a name to look up among this instance's enclaves. */
export type EnclaveSource =
  | { readonly kind: "address"; readonly address: Address }
  | { readonly kind: "nitro"; readonly name: string; readonly cliPath: string };

const NITRO_CLI_PATH = "/usr/bin/nitro-cli";

const nitroSchema = z.strictObject({
  name: z.string().regex(/^[\w-]{1,64}$/, "expected an enclave's name"),
  cliPath: z
    .string()
    .regex(/^\/[^\0]{1,4095}$/, "expected an absolute path")
    .default(NITRO_CLI_PATH),
});

export const enclaveSchema = z
  .strictObject({
    address: addressOf("unix", "tcp", "vsock").optional(),
    nitro: nitroSchema.optional(),
  })
  .transform(({ address, nitro }, context): EnclaveSource => {
    if (address !== undefined && nitro === undefined) return { kind: "address", address };
    if (nitro !== undefined && address === undefined) return { kind: "nitro", ...nitro };
    context.addIssue("expected either `address` or `nitro`");
    return z.NEVER;
  });

export function isVsockSource(source: EnclaveSource): boolean {
  return source.kind === "nitro" || source.address.kind === "vsock";
}

/** Where a part listens for the enclave when the file does not say; null: it has to. */
export function defaultListen(source: EnclaveSource, port: number): Address | null {
  return isVsockSource(source) ? { kind: "vsock", cid: CID_ANY, port } : null;
}
