// The command line of `npm start`.

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { readCustomNetwork } from "../../enclave/core/chains/ethereum/custom-network.ts";
import { publicNetwork } from "../../enclave/core/chains/ethereum/public-network.ts";
import { JsonMismatch } from "../../enclave/core/json.ts";
import type { StateKind } from "../../enclave/core/state-config.ts";

export const USAGE = `npm start -- [options]

Sets up and runs the whole signer on this machine: an enclave process whose keys are released by a
local KMS against an attestation document of a simulated NSM, and the parent that serves
Web3Signer's API over mTLS.

  --once                 sign one of each kind, show the refusals, verify the attestation, exit
  --chain FAMILY         ethereum (default), or tendermint: two stand-ins for nodes of one chain,
                         which the parent dials over SecretConnection and Noise
  --network NAME|FILE    mainnet, hoodi, sepolia, gnosis, chiado, or a JSON file (docs/manifest.md);
                         default: a local network with slots of one second
  --keystores DIR        EIP-2335 keystores to sign with; default: fresh ones
  --password-file FILE   their password
  --state KIND           parent (default), or dynamodb: a local table that only the enclave can write
  --keys N               how many fresh keys (default 4)
  --port N               signing listener (default 9000); operations listen on the port after it
  --dir DIR              where all files lie (default .redoubt/local, or .redoubt/tendermint); a
                         second start keeps them
`;

export class UsageError extends Error {}

export const LOCAL_CHAINS = ["ethereum", "tendermint"] as const;
export type LocalChain = (typeof LOCAL_CHAINS)[number];

export type StartOptions = {
  readonly isOnce: boolean;
  readonly chain: LocalChain;
  /** What the manifest says: a name, or a custom network's object; null: the local one. */
  readonly network: unknown;
  readonly keystores: { readonly folder: string; readonly passwordFile: string } | null;
  readonly freshKeyCount: number;
  /** Where records lie. */
  readonly state: StateKind;
  readonly port: number;
  readonly folder: string;
};

const FOLDERS: Readonly<Record<LocalChain, string>> = {
  ethereum: ".redoubt/local",
  tendermint: ".redoubt/tendermint",
};
const FRESH_KEY_COUNT = 4;
const FRESH_KEY_COUNT_MAX = 1000;
const PORT = 9000;

/** Null when only the usage was asked for. */
export function parseStartOptions(args: readonly string[]): StartOptions | null {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = (() => {
    try {
      return parseArgs({
        args: [...args],
        strict: true,
        options: {
          once: flag,
          chain: text,
          help: flag,
          network: text,
          keystores: text,
          "password-file": text,
          keys: text,
          state: text,
          port: text,
          dir: text,
        },
      });
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : "bad options");
    }
  })();
  if (values.help === true) return null;
  if (values.dir === "") throw new UsageError("--dir takes a folder");
  const { keystores, "password-file": passwordFile } = values;
  if ((keystores === undefined) !== (passwordFile === undefined)) {
    throw new UsageError("--keystores and --password-file go together");
  }
  const chain = chainOf(values.chain ?? "ethereum");
  const ofEthereum = [values.network, keystores, values.keys];
  if (chain !== "ethereum" && ofEthereum.some((value) => value !== undefined)) {
    throw new UsageError("--network, --keystores and --keys are for --chain ethereum");
  }
  return {
    isOnce: values.once === true,
    chain,
    network: values.network === undefined ? null : networkOf(values.network),
    keystores:
      keystores === undefined || passwordFile === undefined
        ? null
        : { folder: resolve(keystores), passwordFile: resolve(passwordFile) },
    freshKeyCount: wholeNumber("--keys", values.keys, FRESH_KEY_COUNT, 1, FRESH_KEY_COUNT_MAX),
    state: stateKindOf(values.state ?? "parent"),
    port: wholeNumber("--port", values.port, PORT, 1, 65_534),
    folder: resolve(values.dir ?? FOLDERS[chain]),
  };
}

function wholeNumber(
  name: string,
  text: string | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  if (text === undefined) return fallback;
  const number = Number(text);
  if (!/^\d{1,6}$/.test(text) || number < min || number > max) {
    throw new UsageError(`${name} takes a number from ${min} to ${max}`);
  }
  return number;
}

function chainOf(text: string): LocalChain {
  const chain = LOCAL_CHAINS.find((known) => known === text);
  if (chain === undefined) throw new UsageError("--chain takes ethereum or tendermint");
  return chain;
}

function stateKindOf(text: string): StateKind {
  if (text !== "parent" && text !== "dynamodb") {
    throw new UsageError("--state takes parent or dynamodb");
  }
  return text;
}

function networkOf(nameOrFile: string): unknown {
  if (publicNetwork(nameOrFile) !== undefined) return nameOrFile;
  const file = resolve(nameOrFile);
  if (!existsSync(file)) {
    throw new UsageError(`--network: no network and no file is called ${nameOrFile}`);
  }
  let network: unknown;
  try {
    network = JSON.parse(readFileSync(file, "utf8"));
    readCustomNetwork(network, "network");
  } catch (error) {
    const field = error instanceof JsonMismatch ? error.field : "not JSON";
    throw new UsageError(`--network ${nameOrFile}: ${field} (docs/manifest.md has the form)`);
  }
  return network;
}
