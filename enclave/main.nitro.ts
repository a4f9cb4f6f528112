// The program of the Nitro image, and its only entry. The parent is the only peer, Amazon's roots
// the only authorities; there are no options, no environment and no other mode. It must never go
// on after an error nobody caught, and never print what an error says: only where it happened.

import { AWS_NITRO_ROOT_G1 } from "../shared/attestation/aws-root.ts";
import { PARENT_CID } from "../shared/nitro-ports.ts";
import { amazonAnchors } from "./platform/amazon-anchors.ts";
import { startNitro } from "./platform/nitro.ts";

function fail(code: string): never {
  // Read on the console of a debug enclave only; the parent sees the enclave end.
  process.stdout.write(`enclave: ${code}\n`);
  process.exit(1);
}

function crash(cause: unknown): never {
  const stack = cause instanceof Error ? (cause.stack ?? "") : "";
  const frames = stack.split("\n").filter((line) => line.startsWith("    at "));
  return fail(["BUG", ...frames].join("\n"));
}

process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);

const running = await startNitro({
  parentCid: PARENT_CID,
  trustAnchors: amazonAnchors(),
  nsmRoot: AWS_NITRO_ROOT_G1,
});
if (!running.ok) fail(running.error.code);
process.stdout.write("enclave: listening\n");
