// Signers of others that ours is measured beside: how each is compiled, what configuration makes it
// sign for one node, and how it is started. Each keeps its state as it comes: it must never be
// given a setting that makes it slower, or its record less durable, than its authors ship it.

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LOCAL_CHAIN_ID } from "../local/consensus-setup.ts";
import { buildGo } from "../local/go-program.ts";
import { buildCargo } from "./cargo-program.ts";

export type RivalName = "tmkms" | "horcrux" | "cosmos-kms";

export type RivalSite = {
  readonly folder: string;
  /** Of the node, `tcp://host:port`. */
  readonly address: string;
  /** `priv_validator_key.json` of the validator. */
  readonly keyFile: string;
  /** 32 bytes in base64. */
  readonly identityFile: string;
};

export type Rival = {
  readonly version: string;
  /** The signature of a precommit's extension is in its answer. */
  readonly isExtensionAnswered: boolean;
  /** The program's file; throws, when it can't be had, what the compiler said. */
  readonly build: (cacheFolder: string) => string;
  /** Writes what it needs, and answers the arguments to start it with. */
  readonly prepare: (site: RivalSite) => readonly string[];
};

const TMKMS = { crate: "tmkms", version: "0.15.0", features: ["softsign"] };
const HORCRUX_MODULE = "github.com/strangelove-ventures/horcrux/v3";
const HORCRUX = {
  path: `${HORCRUX_MODULE}/cmd/horcrux`,
  version: "v3.3.2",
  lockFolder: { module: HORCRUX_MODULE },
};
const COSMOS_KMS_MODULE = "github.com/cosmos/kms";
const COSMOS_KMS = {
  path: `${COSMOS_KMS_MODULE}/cmd/kms`,
  version: "v0.1.0",
  lockFolder: { module: COSMOS_KMS_MODULE },
};

export const RIVALS: Readonly<Record<RivalName, Rival>> = {
  tmkms: {
    version: TMKMS.version,
    // It makes one (`sign_extensions`), and answers in v0.34's form, which has no field for it.
    isExtensionAnswered: false,
    build: (cacheFolder) => buildCargo(TMKMS, cacheFolder),
    prepare: prepareTmkms,
  },
  horcrux: {
    version: HORCRUX.version,
    isExtensionAnswered: true,
    build: (cacheFolder) => buildGo(HORCRUX, cacheFolder).file,
    prepare: prepareHorcrux,
  },
  "cosmos-kms": {
    version: COSMOS_KMS.version,
    isExtensionAnswered: true,
    build: (cacheFolder) => buildGo(COSMOS_KMS, cacheFolder).file,
    prepare: prepareCosmosKms,
  },
};

function prepareTmkms({ folder, address, keyFile, identityFile }: RivalSite): readonly string[] {
  const file = join(folder, "tmkms.toml");
  const text = `
[[chain]]
id = "${LOCAL_CHAIN_ID}"
key_format = { type = "hex" }
sign_extensions = true
state_file = "${join(folder, "state.json")}"

[[validator]]
addr = "${address}"
chain_id = "${LOCAL_CHAIN_ID}"
reconnect = true
secret_key = "${identityFile}"
protocol_version = "v0.38"

[[providers.softsign]]
chain_ids = ["${LOCAL_CHAIN_ID}"]
key_type = "consensus"
key_format = "json"
path = "${keyFile}"
`;
  writeFileSync(file, text);
  return ["start", "-c", file];
}

/** With one signer, which takes an option that says so: its cosigners would add their network. */
function prepareHorcrux({ folder, address, keyFile }: RivalSite): readonly string[] {
  mkdirSync(join(folder, "state"));
  const text = `keyDir: ${folder}\nsignMode: single\nchainNodes:\n  - privValAddr: ${address}\n`;
  writeFileSync(join(folder, "config.yaml"), text);
  copyFileSync(keyFile, join(folder, `${LOCAL_CHAIN_ID}_priv_validator_key.json`));
  return ["start", "--home", folder, "--accept-risk"];
}

function prepareCosmosKms({ folder, address, keyFile }: RivalSite): readonly string[] {
  mkdirSync(join(folder, "state"));
  const text = `chains:
  - id: ${LOCAL_CHAIN_ID}
validators:
  - chain_id: ${LOCAL_CHAIN_ID}
    addr: ${address}
    identity_key: identity.json
keys:
  - chain_ids: [${LOCAL_CHAIN_ID}]
    backend: file
    algorithm: ed25519
    key_file: ${keyFile}
`;
  writeFileSync(join(folder, "kms.yaml"), text);
  return ["start", "--home", folder, "--allow-fresh-state", LOCAL_CHAIN_ID];
}
