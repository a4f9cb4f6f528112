// The application of CometBFT's own end-to-end tests, as a process that a node talks to. It gives
// every precommit an extension, and verifies the signature of each one itself.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LOCAL_CHAIN_ID } from "../../../scripts/local/consensus-setup.ts";
import { LoggedProcess } from "../../../scripts/local/logged-process.ts";

export function startTestApp(program: string, folder: string, port: number): LoggedProcess {
  const config = join(folder, "app.toml");
  const lines = [
    `chain_id = "${LOCAL_CHAIN_ID}"`,
    `listen = "tcp://127.0.0.1:${port}"`,
    'protocol = "socket"',
    'mode = "validator"',
    'key_type = "ed25519"',
    `dir = "${join(folder, "app")}"`,
    "persist_interval = 1",
    "snapshot_interval = 0",
    // As the genesis says.
    "vote_extensions_update_height = -1",
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
  return new LoggedProcess(program, [config], join(folder, "app.log"));
}
