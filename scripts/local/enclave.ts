// The laptop target of the enclave program: the same program as on Nitro, with unix sockets for
// vsock, the simulated NSM for `/dev/nsm` and the local CA for Amazon's. It is a composition root
// of its own, so that nothing of it can be reached from the nitro one.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { entropy, monotonicClock, ticker } from "../../enclave/platform/clock.ts";
import { startSignPool } from "../../enclave/platform/sign-pool.ts";
import { connectTo, listenOn } from "../../enclave/platform/socket.ts";
import { startEnclave } from "../../enclave/program.ts";
import { type Address, parseAddress } from "../../shared/address.ts";
import { connectNsmDevice } from "./nsm-device.ts";

const USAGE = `usage: enclave.ts --listen ADDRESS --store ADDRESS --relay ADDRESS --nsm SOCKET --ca PEM
                  --nsm-root PEM [--threads N]
`;

function fail(text: string, code: number): never {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

function addressOf(text: string | undefined): Address {
  const parsed = parseAddress(text ?? "");
  return parsed.ok ? parsed.value : fail(USAGE, 2);
}

const text = { type: "string" } as const;
const { values } = parseArgs({
  strict: true,
  options: {
    listen: text,
    store: text,
    relay: text,
    nsm: text,
    ca: text,
    "nsm-root": text,
    threads: text,
  },
});
const listen = addressOf(values.listen);
const store = addressOf(values.store);
const relay = addressOf(values.relay);
const threadCount = Number(values.threads ?? availableParallelism() - 1);
if (!Number.isInteger(threadCount) || threadCount < 0) fail(USAGE, 2);

const running = await startEnclave({
  nsmDevice: connectNsmDevice(values.nsm ?? fail(USAGE, 2)),
  clock: monotonicClock,
  entropy,
  ticker,
  pool: startSignPool(threadCount, (cause) => {
    throw cause;
  }),
  trustAnchors: [readFileSync(values.ca ?? fail(USAGE, 2), "utf8")],
  nsmRoot: new X509Certificate(readFileSync(values["nsm-root"] ?? fail(USAGE, 2))).raw,
  // The laptop's clock is not ours to set, and the simulated NSM tells its time.
  alignClock: () => undefined,
  connectRelay: () => connectTo(relay),
  dialStore: () => connectTo(store),
  listen: (onSocket) => listenOn(listen, onSocket),
});
if (!running.ok) fail(`enclave: ${running.error.code}`, 1);
process.stdout.write("enclave: listening\n");
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    void running.value.close().then(() => process.exit(0));
  });
}
