// The page beside a new manifest: what is in the files, what is left to do, and the commands for
// exactly these keys and states. It must never tell to start a signer before the other one has
// stopped, nor to begin a key's record anew where a state can be imported.

import { join } from "node:path";
import type { KeyArn } from "../../shared/key-arn.ts";
import type { KeyedChain } from "./key-files.ts";
import type { MigrationPlan } from "./plan.ts";

const ADMIN = "unix:///run/redoubt/admin.sock";

export type Migration = {
  readonly plan: MigrationPlan;
  readonly chains: readonly KeyedChain[];
  readonly keyArn: KeyArn | null;
  /** Where the files go, absolute. */
  readonly folder: string;
};

/** As somebody pastes them into a shell. */
export type ChainCommands = { readonly seal: string; readonly stateImport: string };

export function commandsOf(
  chain: KeyedChain,
  { keyArn, folder }: Pick<Migration, "keyArn" | "folder">,
): ChainCommands {
  const out = join(folder, "bundles", `${chain.chainId}.bundle`);
  const option = chain.keyFile.kind === "json" ? "--validator-keys" : "--tmkms-ed25519";
  const arn = keyArn?.text ?? "KMS_KEY_ARN";
  return {
    seal:
      `scripts/redoubt seal ${option} ${shellWord(chain.keyFile.path)} \\\n` +
      `  --kms-key ${arn} --out ${shellWord(out)}`,
    stateImport:
      `scripts/redoubt state import ${shellWord(chain.stateFile)} --format tmkms \\\n` +
      `  --chain ${chain.chainId} --admin ${ADMIN}`,
  };
}

export function nextStepsText(migration: Migration): string {
  const { plan, chains, keyArn } = migration;
  const commands = chains.map((chain) => commandsOf(chain, migration));
  return `# From tmkms to Redoubt: what is left to do

Written by \`redoubt init\`. Why, and how to go back: docs/migrate-from-tmkms.md. Commands are called from
Redoubt's folder.

## Keys

Compare each with what tmkms prints when it starts (\`added consensus Ed25519 key\`).

${chains.map(keyText).join("\n")}
## Not carried over

${listOf([...plan.leftOut, ...plan.notes])}
## Files

- \`manifest.json\`: chains, keys and heights, measured by the enclave (docs/manifest.md).${
    keyArn === null ? " **Fill in `kms.keyArn`.**" : ""
  } \`state\` is \`parent\`: whoever controls the parent can put an older record back. With \`dynamodb\` nobody there can; decide before the first start, then leave out \`bootFloor\` of \`tendermint\`.
- \`parent.json\`: nodes, and the identity that they are shown (docs/configuration.md).${
    keyArn === null ? " **Fill in `relay.allow`.**" : ""
  } Its \`api.tls\` names files that you make; put a client into \`api.clients\` for \`redoubt verify\`.
- \`bundles/\`: where the parent finds what is sealed below.

## Steps

1. Seal the keys, on the machine that has them:

${shellBlock(commands.map(({ seal }) => seal))}
2. Write and put the key policy for the image and \`manifest.json\` (docs/kms.md).
3. **Stop tmkms for good**: it must not come back by itself after this.
4. Start the enclave, then the parent with \`parent.json\`. Nothing is signed yet: the keys have no records.
5. Import what tmkms signed last, first with \`--dry-run\`:

${shellBlock(commands.map(({ stateImport }) => stateImport))}
6. \`scripts/redoubt state show --admin ${ADMIN}\` shows these heights; the nodes, which tmkms dialled, are dialled by the parent. Nothing changes in \`config.toml\` but the address that the firewall lets in.
`;
}

function keyText({ chainId, shownKey, address, keyFile, stateFile }: KeyedChain): string {
  return `- ${chainId}
  - key: \`${shownKey}\`
  - address: \`${address}\`
  - from: ${codeOf(keyFile.path)}
  - state: ${codeOf(stateFile)}
`;
}

function listOf(items: readonly string[]): string {
  return items.length === 0
    ? "Nothing is missing.\n"
    : `${items.map((i) => `- ${i}`).join("\n")}\n`;
}

function shellBlock(commands: readonly string[]): string {
  const lines = commands.flatMap((command) => command.split("\n"));
  return `${["```sh", ...lines, "```"].map((line) => `   ${line}`).join("\n")}\n`;
}

/** A path may have a backquote in it. */
function codeOf(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}

export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
