// The simulated NSM as a program of its own, which no code of the enclave can reach but through its
// socket. One process is one boot: start a new one for every start of the local enclave. It must
// never be given the name or the root of AWS: `--pki` holds a root of its own, made on first use.

import { parseArgs } from "node:util";
import { parseHex } from "../../shared/bytes/hex.ts";
import { PCR_BYTES } from "../../shared/limits.ts";
import { openRoot } from "./nsm-pki.ts";
import { serveNsm } from "./nsm-server.ts";
import { LOCAL_IMAGE, NsmSimulator, sampleMeasurements } from "./nsm-simulator.ts";

const USAGE = `usage: nsm-program.ts --socket PATH --pki DIR [--pcr0 HEX] [--pcr1 HEX] [--pcr2 HEX]
  [--pcr3 HEX] [--pcr8 HEX] [--debug-mode] [--time-offset-ms=N]

  --socket PATH        unix socket to listen on: frames of 4-byte length and NSM CBOR
  --pki DIR            holds nsm-root.pem (pin this) and nsm-root.key, made on first use
  --pcrN HEX           measurements, 48 bytes; PCR0 to PCR2 have made-up values by default
  --debug-mode         PCR0 to PCR2 read as zero, as with nitro-cli run-enclave --debug-mode
  --time-offset-ms=N   added to the clock of this machine
`;

const PCR_OPTIONS = [0, 1, 2, 3, 8] as const;

class UsageError extends Error {}

function parseMeasurements(
  values: Readonly<Record<string, unknown>>,
): ReadonlyMap<number, Uint8Array> {
  const pcrs = new Map(sampleMeasurements(LOCAL_IMAGE));
  for (const index of PCR_OPTIONS) {
    const text = values[`pcr${index}`];
    if (typeof text !== "string") continue;
    const parsed = parseHex(text, PCR_BYTES);
    if (!parsed.ok) throw new UsageError(`--pcr${index} takes ${PCR_BYTES} bytes of hex`);
    pcrs.set(index, parsed.value);
  }
  return pcrs;
}

function readOptions() {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    strict: true,
    options: {
      socket: text,
      pki: text,
      pcr0: text,
      pcr1: text,
      pcr2: text,
      pcr3: text,
      pcr8: text,
      "debug-mode": { type: "boolean", default: false },
      "time-offset-ms": { type: "string", default: "0" },
    },
  });
  const { socket, pki } = values;
  const offset = values["time-offset-ms"];
  if (socket === undefined || pki === undefined) {
    throw new UsageError("--socket and --pki are required");
  }
  if (!/^-?\d{1,13}$/.test(offset)) throw new UsageError("--time-offset-ms takes a whole number");
  return {
    socket,
    pki,
    pcrs: parseMeasurements(values),
    isDebug: values["debug-mode"],
    timeOffsetMs: Number(offset),
  };
}

function readOptionsOrExit(): ReturnType<typeof readOptions> {
  try {
    return readOptions();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : "bad options"}\n\n${USAGE}`);
    process.exit(2);
  }
}

const options = readOptionsOrExit();
const simulator = new NsmSimulator({
  root: openRoot(options.pki),
  nowMs: () => Date.now() + options.timeOffsetMs,
  pcrs: options.pcrs,
  isDebug: options.isDebug,
});
const server = await serveNsm(simulator, options.socket);
process.stdout.write(`nsm: listening on ${options.socket} as ${simulator.identity.moduleId}\n`);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    server.close();
    process.exit(0);
  });
}
