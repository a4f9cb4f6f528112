// Homes of several validators of one chain: the first has no key of its own, because our signer has
// it, and the others sign with their key files.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type ExtensionParameter, makeNodeHome, type NodeHome } from "./node-home.ts";

const GENESIS = z.looseObject({ validators: z.array(z.unknown()) });
const NO_STATE = { height: "0", round: 0, step: 0 };

export function makeNetworkHomes(
  program: string,
  folder: string,
  count: number,
  extensions: ExtensionParameter,
): readonly NodeHome[] {
  const homes = Array.from({ length: count }, (_, index) =>
    makeNodeHome(program, join(folder, `node-${index}`), extensions),
  );
  const genesis = homes.map(({ genesisFile }) =>
    GENESIS.parse(JSON.parse(readFileSync(genesisFile, "utf8"))),
  );
  const validators = genesis.flatMap((each) => each.validators);
  const common = JSON.stringify({ ...genesis[0], validators }, null, 2);
  for (const [index, home] of homes.entries()) {
    writeFileSync(home.genesisFile, common);
    if (index > 0) giveKeyBack(home);
  }
  return homes;
}

function giveKeyBack({ folder, keyFile }: NodeHome): void {
  renameSync(keyFile, join(folder, "config/priv_validator_key.json"));
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(folder, "data/priv_validator_state.json"), JSON.stringify(NO_STATE));
}
