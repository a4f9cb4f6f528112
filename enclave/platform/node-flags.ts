// How Node is started in the image: with the least rights that the program needs. The image's
// command is made of this list and the check at boot compares with it, so that neither can differ
// from the other. It must never grant what only a test or a laptop needs.

/** Where the image keeps the program. */
export const APP_FOLDER = "/app";

/** What the kernel says of its clock and its entropy; read at boot. */
export const CLOCK_SOURCE_FILE = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
export const ENTROPY_SOURCE_FILE = "/sys/class/misc/hw_random/rng_current";

/** Rights: to read the program and two files of the kernel, to load addons, to start threads. */
const RIGHTS: readonly string[] = [
  "--permission",
  "--allow-addons",
  "--allow-worker",
  `--allow-fs-read=${APP_FOLDER}/*`,
  `--allow-fs-read=${CLOCK_SOURCE_FILE}`,
  // The path in /sys is a link into here.
  "--allow-fs-read=/sys/devices/virtual/misc/hw_random/rng_current",
  `--allow-fs-read=${ENTROPY_SOURCE_FILE}`,
];

/** Features of Node and V8 that nothing here uses and an attacker would. */
const CLOSED: readonly string[] = [
  "--disallow-code-generation-from-strings",
  "--disable-proto=throw",
  "--disable-sigusr1",
  "--force-context-aware",
  "--no-global-search-paths",
  "--no-experimental-require-module",
  "--no-experimental-websocket",
  "--no-experimental-sqlite",
  "--no-experimental-repl-await",
];

export const NODE_FLAGS: readonly string[] = [...RIGHTS, ...CLOSED];

/** Rights that Node must not have, whatever its flags were. */
export const DENIED_RIGHTS: readonly string[] = [
  "fs.write",
  "net",
  "child",
  "inspector",
  "wasi",
  "ffi",
];

/** Given back by a thread that has loaded all of itself; the main one has started the others. */
const DROPPED_RIGHTS: readonly string[] = ["fs.read", "addon", "worker", "net"];

/** For good, and for this thread alone: each has rights of its own. */
export function dropRights(): void {
  for (const right of DROPPED_RIGHTS) process.permission?.drop(right);
}
