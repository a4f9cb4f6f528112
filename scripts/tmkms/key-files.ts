// The public keys of a plan's chains, out of the files with the secrets. It must never keep a
// secret: each is wiped before the next file is opened, and only the public key leaves this file.

import { wipe } from "../../enclave/keys/secret.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { validatorAddressOf } from "../cli/validator-address.ts";
import { openKeySources } from "../cli/validator-key-files.ts";
import { formatConsensusKey } from "./key-format.ts";
import { type PlannedChain, sharedKeyText } from "./plan.ts";

export type KeyedChain = PlannedChain & {
  readonly publicKey: Uint8Array;
  /** As tmkms prints it. */
  readonly shownKey: string;
  /** The validator's, as a node prints it. */
  readonly address: string;
};

export async function readChainKeys(
  chains: readonly PlannedChain[],
): Promise<Result<readonly KeyedChain[], readonly string[]>> {
  const keyed: KeyedChain[] = [];
  const problems: string[] = [];
  for (const chain of chains) {
    const { keyPlace, keyFile } = chain;
    const publicKey = await readPublicKey(chain);
    if (!publicKey.ok) problems.push(`${keyPlace}.path: ${keyFile.path}: ${publicKey.error}`);
    else {
      const address = encodeHex(validatorAddressOf("ed25519", publicKey.value)).toUpperCase();
      const shownKey = formatConsensusKey(chain.format, publicKey.value);
      keyed.push({ ...chain, publicKey: publicKey.value, shownKey, address });
    }
  }
  problems.push(...sharedKeys(keyed));
  return problems.length > 0 ? err(problems) : ok(keyed);
}

async function readPublicKey({ keyFile }: PlannedChain): Promise<Result<Uint8Array, string>> {
  const { path, kind } = keyFile;
  const source =
    kind === "json" ? ({ kind, path } as const) : ({ kind, path, scheme: "ed25519" } as const);
  const outcomes = await openKeySources([source]);
  const keys = outcomes.flatMap(({ outcome }) => (outcome.ok ? [outcome.value] : []));
  for (const key of keys) wipe(key.secret);
  const fault = outcomes.map(({ outcome }) => (outcome.ok ? null : outcome.error)).find(isFault);
  if (fault !== undefined) return err(fault);
  const [key, ...more] = keys;
  // A folder is a source of `redoubt seal`, never a key of tmkms.
  if (key === undefined || more.length > 0) return err("not a file with one key");
  return key.scheme === "ed25519" ? ok(key.publicKey) : err("tmkms signs with Ed25519 only");
}

function isFault<T>(fault: T | null): fault is T {
  return fault !== null;
}

/** One secret under two paths is one key all the same. */
function sharedKeys(chains: readonly KeyedChain[]): readonly string[] {
  return chains.flatMap((chain, index) => {
    const name = encodeHex(chain.publicKey);
    const first = chains.find(({ publicKey }) => encodeHex(publicKey) === name);
    if (first === undefined || chains.indexOf(first) === index) return [];
    return [`${chain.keyPlace}.path: ${sharedKeyText([first.chainId, chain.chainId])}`];
  });
}
