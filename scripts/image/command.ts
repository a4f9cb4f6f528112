// What the image runs: the one command of both ways to build it, `scripts/build-image.ts` and
// `Dockerfile.enclave`. It is measured, like everything in the image.

import { APP_FOLDER, NODE_FLAGS } from "../../enclave/platform/node-flags.ts";

export const NODE_PATH = "/bin/node";
export const MAIN_PATH = `${APP_FOLDER}/enclave/main.nitro.ts`;

export function imageCommand(): readonly string[] {
  return [NODE_PATH, ...NODE_FLAGS, MAIN_PATH];
}

/** The environment of the program: nothing, so that nothing in it can change what runs. */
export const IMAGE_ENVIRONMENT: readonly string[] = [];
