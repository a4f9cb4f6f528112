// `redoubt upgrade`: has another enclave take over from the one that signs, and shows how far it
// is. The parent does it and goes on with it by itself; this command starts, watches, and aborts
// what does not get ready in time. It must never abort an upgrade that it has not started.

import { setTimeout as pause } from "node:timers/promises";
import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { ERRORS, isErrorCode, type Refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { UpgradeState } from "../../shared/wire/methods.ts";
import { describeRefusal, openAdmin, type ParentAdmin, parseAdminPath } from "./admin.ts";
import { type Arguments, parseOptions } from "./arguments.ts";
import type { Command, ExitCode } from "./command.ts";
import { readExpectation } from "./verify-expectation.ts";

const USAGE = `redoubt upgrade: another enclave takes over from the one that signs

  redoubt upgrade predecessor --release FILE --manifest FILE
  redoubt upgrade start [--wait SECONDS] [OPTION...]
  redoubt upgrade show [OPTION...]
  redoubt upgrade abort [OPTION...]

predecessor prints what the new enclave's manifest has under "predecessors", for an old enclave of
this release and with this manifest.
start has the parent read its configuration file anew. The enclave, manifest and bundles that it
names by now are prepared while the present enclave signs; then the state is handed over, and
requests go to the new enclave. Both have to run, and the KMS key's policy has to allow both. It
waits until that has happened; what is not prepared in time is aborted, with everything as it was.
show tells how far an upgrade is, or how the last one since the parent's start ended.
abort gives up an upgrade that is still being prepared.

Options
  --release FILE   release.json of the old image, for predecessor
  --manifest FILE  the old manifest, for predecessor
  --wait SECONDS   how long start waits for the new enclave to be prepared (default 300)
  --admin ADDRESS  the parent's admin socket, unix://PATH (default: that of npm start)
  --json           one JSON document on stdout

Exit codes: 0 done, 1 refused, aborted or failed, 2 wrong use. show ends with 0 whatever it shows.

Example
  redoubt upgrade start --admin unix:///run/redoubt/admin.sock
`;

export const command: Command = {
  name: "upgrade",
  summary: "have another enclave take over, without a missed duty",
  usage: USAGE,
  run,
};

type Action = "start" | "show" | "abort";
type Request = {
  readonly waitMs: number;
  readonly adminPath: string;
  readonly isJson: boolean;
};

const OPTIONS = {
  release: { type: "string" },
  manifest: { type: "string" },
  wait: { type: "string" },
  admin: { type: "string" },
  json: { type: "boolean" },
} as const;
const WAIT_SECONDS_DEFAULT = 300;
const WAIT_SECONDS_MAX = 86_400;
const POLL_MS = 200;

/** What each action takes; all but predecessor also take --admin and --json. */
const TAKES: Readonly<Record<Action | "predecessor", readonly string[]>> = {
  predecessor: ["release", "manifest"],
  start: ["wait", "admin", "json"],
  show: ["admin", "json"],
  abort: ["admin", "json"],
};

const RUNS: Readonly<
  Record<Action, (admin: ParentAdmin, request: Request) => Promise<Result<ExitCode, Refusal>>>
> = { start, show, abort };

async function run([action = "", ...rest]: readonly string[]): Promise<ExitCode> {
  if (!isAction(action)) return complain("give predecessor, start, show or abort; see --help", 2);
  const values = parseValues(action, rest);
  if (!values.ok) return complain(`${values.error}; see --help`, 2);
  if (action === "predecessor") return printPredecessor(values.value);
  const request = parseRequest(values.value);
  if (!request.ok) return complain(`${request.error}; see --help`, 2);
  const { adminPath } = request.value;
  const admin = await openAdmin(adminPath);
  if (!admin.ok) return complain(`${describeRefusal(admin.error)} at ${adminPath}`, 1);
  try {
    const ended = await RUNS[action](admin.value, request.value);
    return ended.ok ? ended.value : complain(describeRefusal(ended.error), 1);
  } finally {
    admin.value.close();
  }
}

function isAction(text: string): text is keyof typeof TAKES {
  return Object.hasOwn(TAKES, text);
}

type Values = Arguments<typeof OPTIONS>["values"];

/** As parsed, when the action takes all of them. */
function parseValues(action: keyof typeof TAKES, args: readonly string[]): Result<Values, string> {
  const values = parseOptions(args, OPTIONS);
  if (!values.ok) return values;
  const foreign = Object.keys(values.value).find((name) => !TAKES[action].includes(name));
  return foreign === undefined ? values : err(`${action} takes no --${foreign}`);
}

function parseRequest({ wait, admin, json }: Values): Result<Request, string> {
  const text = wait ?? String(WAIT_SECONDS_DEFAULT);
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > WAIT_SECONDS_MAX) {
    return err(`--wait must be 1 to ${WAIT_SECONDS_MAX} seconds`);
  }
  const adminPath = parseAdminPath(admin);
  if (!adminPath.ok) return err("--admin must be unix://PATH");
  return ok({ waitMs: seconds * 1000, adminPath: adminPath.value, isJson: json === true });
}

async function printPredecessor({ release, manifest }: Values): Promise<ExitCode> {
  if (release === undefined || manifest === undefined) {
    return complain("predecessor needs --release and --manifest; see --help", 2);
  }
  const expected = await readExpectation({ release, manifest, keys: null }, new Map());
  if (!expected.ok) return complain(expected.error, 1);
  const registers = [...expected.value.pcrs].map(
    ([index, value]) => [`pcr${index}`, encodePrefixedHex(value)] as const,
  );
  process.stdout.write(`${JSON.stringify([Object.fromEntries(registers)], null, 2)}\n`);
  return 0;
}

async function start(admin: ParentAdmin, request: Request): Promise<Result<ExitCode, Refusal>> {
  const started = await admin.startUpgrade();
  if (!started.ok) return started;
  const lateMs = performance.now() + request.waitMs;
  let shown = "";
  for (;;) {
    const state = await admin.showUpgrade();
    if (!state.ok) return state;
    const { phase, code } = state.value;
    if (phase !== "preparing" && phase !== "switching") return ok(report(state.value, request));
    // Nothing waits for the operator: what is said here only tells why it takes so long.
    const line = describeState(state.value);
    if (line !== shown && code !== null) note(line);
    shown = line;
    if (phase === "preparing" && performance.now() > lateMs) {
      // Refused when it is past the point of no return since a moment ago: then it goes on.
      const aborted = await admin.abortUpgrade(started.value.number);
      if (aborted.ok) note(`not prepared within ${request.waitMs / 1000} s`);
    }
    await pause(POLL_MS);
  }
}

async function show(admin: ParentAdmin, request: Request): Promise<Result<ExitCode, Refusal>> {
  const state = await admin.showUpgrade();
  if (!state.ok) return state;
  report(state.value, request);
  return ok(0);
}

async function abort(admin: ParentAdmin, request: Request): Promise<Result<ExitCode, Refusal>> {
  const aborted = await admin.abortUpgrade(null);
  return aborted.ok ? show(admin, request) : aborted;
}

function report(state: UpgradeState, { isJson }: Request): ExitCode {
  const text = isJson ? JSON.stringify(state, encodeHeights) : describeState(state);
  process.stdout.write(`${text}\n`);
  return state.phase === "completed" ? 0 : 1;
}

/** 64 bits are decimal text, as everywhere. */
function encodeHeights(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

function describeState({ phase, code, floor }: UpgradeState): string {
  if (code === null) return `${phase}${floor === null ? "" : describeFloor(floor)}`;
  return `${phase}: ${code}${isErrorCode(code) ? `: ${ERRORS[code].text}` : ""}`;
}

function describeFloor({ slot, target }: NonNullable<UpgradeState["floor"]>): string {
  const blocks = slot === 0n ? "" : `, blocks from slot ${slot} on`;
  return `${blocks}${target === 0n ? "" : `, votes from target epoch ${target} on`}`;
}

function note(text: string): void {
  process.stderr.write(`redoubt upgrade: ${text}\n`);
}

function complain(text: string, exitCode: ExitCode): ExitCode {
  note(text);
  return exitCode;
}
