// `redoubt identity`: by which names the nodes of a Tendermint chain know the signer. It must never
// show the key itself, nor make a new one in the place of another: a node that admits the old name
// would let nobody in.

import { peerIdOfEd25519 } from "../../parent/privval/peer-id.ts";
import { makeIdentity, readIdentity } from "../../parent/privval/privval-identity.ts";
import { ERRORS } from "../../shared/errors.ts";
import { parseArguments } from "./arguments.ts";
import { type Command, type Outcome, printOutcome } from "./command.ts";

const USAGE = `redoubt identity: by which names a Tendermint node knows the signer

  redoubt identity FILE [--make] [--json]

FILE is the identityFile of the parent's configuration, as tmkms writes its kms-identity.key: the
32-byte seed of an Ed25519 key in base64. It signs no blocks. Two names of it are printed:

  peer id   libp2p's, which a node that listens over Noise has to admit (CometBFT v0.40):
            priv_validator_laddr = "noise://PEER-ID@10.0.1.10:26659"
  node id   over SecretConnection (tcp://), as tmkms prints it at its start

The other way round, \`cometbft show-node-id --libp2p\` prints the name of a node that the parent's
configuration has to name.

  --make    a new key in FILE, which must not be there yet, for its owner alone (0600)
  --json    one JSON object on stdout

Exit codes: 0 printed; 1 the file can't be read or made, or holds something else; 2 wrong use.

Example
  redoubt identity /etc/redoubt/kms-identity.key
`;

export const command: Command = {
  name: "identity",
  summary: "the names by which Tendermint nodes know the signer",
  usage: USAGE,
  run: async (args) => printOutcome(await runIdentity(args)),
};

const OPTIONS = { make: { type: "boolean" }, json: { type: "boolean" } } as const;

export async function runIdentity(args: readonly string[]): Promise<Outcome> {
  const parsed = parseArguments(args, OPTIONS);
  if (!parsed.ok) return misuse(parsed.error);
  const { make = false, json: isJson = false } = parsed.value.values;
  const [path, stray] = parsed.value.positionals;
  if (path === undefined) return misuse("FILE is missing");
  if (stray !== undefined) return misuse(`takes no argument ${stray}`);
  const identity = await (make ? makeIdentity(path) : readIdentity(path));
  if (!identity.ok) {
    const { code, detail = [] } = identity.error;
    const stdout = isJson ? `${JSON.stringify({ ok: false, code, detail })}\n` : "";
    const stderr = `redoubt identity: ${code}: ${ERRORS[code].text} (${detail.join(", ")})\n`;
    return { exitCode: 1, stdout, stderr };
  }
  const { publicKey, id: nodeId } = identity.value;
  const peerId = peerIdOfEd25519(publicKey);
  const stdout = isJson
    ? `${JSON.stringify({ ok: true, peerId, nodeId })}\n`
    : `peer id  ${peerId}\nnode id  ${nodeId}\n`;
  return { exitCode: 0, stdout, stderr: "" };
}

function misuse(reason: string): Outcome {
  const stderr = `redoubt identity: ${reason} (see \`redoubt identity --help\`)\n`;
  return { exitCode: 2, stdout: "", stderr };
}
