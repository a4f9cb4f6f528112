// What a parent gets that hands its enclave another manifest than the key policy names: it boots a
// second enclave, lets it measure a manifest in which one byte differs in meaning, and offers it
// the same bundle. KMS must refuse, because PCR16 is not the one of the policy.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connectTo } from "../../enclave/platform/socket.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { CHUNK_BYTES_MAX, KMS_DEADLINE_MS } from "../../shared/limits.ts";
import { Caller } from "../../shared/wire/link.ts";
import { ENCLAVE_METHODS } from "../../shared/wire/methods.ts";
import type { Layout } from "./layout.ts";
import { EnclaveBoot } from "./stack.ts";

type Link = Caller<typeof ENCLAVE_METHODS>;

export async function tamperedManifestOutcome(layout: Layout): Promise<ErrorCode | "opened"> {
  const listen = join(layout.folder, "tampered.sock");
  const nsm = join(layout.folder, "tampered-nsm.sock");
  const boot = await EnclaveBoot.start(layout, "tampered-enclave", { listen, nsm });
  try {
    const socket = await connectTo({ kind: "unix", path: listen });
    if (!socket.ok) return socket.error.code;
    const link: Link = new Caller(ENCLAVE_METHODS, socket.value, setImmediate);
    socket.value.on("data", (chunk: Buffer) => link.receive(chunk));
    socket.value.on("close", () => link.close());
    const outcome = await offerBundle(link, layout);
    socket.value.destroy();
    return outcome;
  } finally {
    await boot.stop();
  }
}

/** What looks harmless: a high watermark, a last height. */
const CHANGES: readonly (readonly [string, string])[] = [
  [
    '"ethereum": {',
    '"ethereum": {\n    "highWatermark": { "slot": "18446744073709551615", "epoch": "1" },',
  ],
  ['"chainId":', '"maxHeight": "9223372036854775807",\n        "chainId":'],
];

/** The manifest as it is, but for one change. */
function tamper(manifest: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(manifest);
  const changed = CHANGES.reduce((before, [from, to]) => before.replace(from, to), text);
  if (changed === text) throw new Error("the manifest does not look as expected");
  return new TextEncoder().encode(changed);
}

async function offerBundle(link: Link, layout: Layout): Promise<ErrorCode | "opened"> {
  const credentials: unknown = JSON.parse(readFileSync(layout.credentials, "utf8"));
  const field = (name: string) => String(Reflect.get(Object(credentials), name));
  const name = readdirSync(layout.bundleFolder).find((file) => file.endsWith(".bundle")) ?? "";
  const bundle = new Uint8Array(readFileSync(join(layout.bundleFolder, name)));
  const steps = [
    () => call(link, "manifest.put", { manifest: tamper(readFileSync(layout.manifest)) }),
    () =>
      call(link, "credentials.put", {
        accessKeyId: field("AccessKeyId"),
        secretAccessKey: field("SecretAccessKey"),
        sessionToken: null,
        expirationMs: 0,
      }),
    ...piecesOf(bundle).map(
      ({ offset, bytes }) =>
        () =>
          call(link, "bundle.put", { name, offset, totalBytes: bundle.length, bytes }),
    ),
    () => call(link, "bundle.open", { name }),
  ];
  for (const step of steps) {
    const answer = await step();
    if (!answer.ok) return answer.error.code;
  }
  return "opened";
}

function piecesOf(bundle: Uint8Array) {
  const pieces: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  for (let offset = 0; offset < bundle.length; offset += CHUNK_BYTES_MAX) {
    pieces.push({ offset, bytes: bundle.subarray(offset, offset + CHUNK_BYTES_MAX) });
  }
  return pieces;
}

function call<Name extends keyof typeof ENCLAVE_METHODS>(
  link: Link,
  name: Name,
  params: Parameters<typeof link.call<Name>>[1],
) {
  return link.call(name, params, 0, KMS_DEADLINE_MS);
}
