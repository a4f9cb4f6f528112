// Which enclaves run on this instance, as `nitro-cli describe-enclaves` says (nitro-kms.md §6). It
// must never start a shell, never wait without end, and never guess: what is not exactly the list
// that nitro-cli prints is refused whole.

import { type ChildProcess, execFile } from "node:child_process";
import { z } from "zod";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";

export type NitroCliRefusal = Refusal<"NITRO_CLI_FAILED" | "NITRO_CLI_MALFORMED">;

/** One enclave of the instance. */
export type ListedEnclave = {
  /** Null: started by a version of nitro-cli that gave no names. */
  readonly name: string | null;
  readonly id: string;
  readonly cid: number;
  readonly isRunning: boolean;
  /** Started with `--debug-mode`: whoever is on the instance reads its console. */
  readonly isConsoleOpen: boolean;
};

/** nitro-cli itself waits 3 s for an enclave's process that does not answer. */
const DEADLINE_MS = 6000;
/** Four enclaves at most run on one instance; each takes about 1 KiB. */
const OUTPUT_BYTES_MAX = 64 * 1024;
const ENCLAVE_COUNT_MAX = 16;
/** 0 to 2 are the hypervisor's, 3 is this instance, the largest is "any" (nitro-kms.md §7). */
const CID_MIN = 4;
const CID_MAX = 0xffff_fffe;
/** Nothing of the parent's own environment: no variable of it is meant for nitro-cli. */
const ENVIRONMENT = { PATH: "/usr/bin:/bin", LC_ALL: "C" };

/** Newer versions add fields (measurements, image names): those are not ours to judge. */
const entrySchema = z.looseObject({
  EnclaveName: z.string().min(1).max(256).optional(),
  EnclaveID: z.string().regex(/^[\w-]{1,128}$/),
  EnclaveCID: z.int().min(CID_MIN).max(CID_MAX),
  State: z.enum(["RUNNING", "TERMINATING", "EMPTY"]),
  Flags: z.enum(["NONE", "DEBUG_MODE"]),
});
const listSchema = z.array(entrySchema).max(ENCLAVE_COUNT_MAX);

/** `program` is an absolute path. */
export async function listEnclaves(
  program: string,
  deadlineMs: number = DEADLINE_MS,
): Promise<Result<readonly ListedEnclave[], NitroCliRefusal>> {
  const output = await run(program, deadlineMs);
  return output.ok ? parseEnclaveList(output.value) : output;
}

export function parseEnclaveList(
  text: string,
): Result<readonly ListedEnclave[], Refusal<"NITRO_CLI_MALFORMED">> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return err(refusal("NITRO_CLI_MALFORMED"));
  }
  const list = listSchema.safeParse(json);
  if (!list.success) return err(refusal("NITRO_CLI_MALFORMED"));
  const enclaves = list.data.map((entry) => ({
    name: entry.EnclaveName ?? null,
    id: entry.EnclaveID,
    cid: entry.EnclaveCID,
    isRunning: entry.State === "RUNNING",
    isConsoleOpen: entry.Flags === "DEBUG_MODE",
  }));
  const running = enclaves.filter(({ isRunning }) => isRunning);
  // The CID is what peers are told apart by.
  if (new Set(running.map(({ cid }) => cid)).size < running.length) {
    return err(refusal("NITRO_CLI_MALFORMED"));
  }
  return ok(enclaves);
}

function run(
  program: string,
  deadlineMs: number,
): Promise<Result<string, Refusal<"NITRO_CLI_FAILED">>> {
  return new Promise((settle) => {
    const fail = (reason: string): void => settle(err(refusal("NITRO_CLI_FAILED", reason)));
    let timer: NodeJS.Timeout | undefined;
    const child = spawnOrFail(program, fail, (error, output) => {
      clearTimeout(timer);
      if (error === null) return settle(ok(output));
      fail(reasonOf(error));
    });
    if (child === null) return;
    child.stdin?.end();
    // The program may end while something that it started still holds the pipe open.
    timer = setTimeout(() => {
      fail("deadline");
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.kill("SIGKILL");
    }, deadlineMs);
  });
}

/** Most errors of a start reach `onEnd`; Node throws the rarer ones (ENOMEM, ENOTDIR) instead. */
function spawnOrFail(
  program: string,
  fail: (reason: string) => void,
  onEnd: (error: Error | null, output: string) => void,
): ChildProcess | null {
  const options = {
    cwd: "/",
    env: ENVIRONMENT,
    encoding: "utf8",
    maxBuffer: OUTPUT_BYTES_MAX,
    killSignal: "SIGKILL",
  } as const;
  try {
    return execFile(program, ["describe-enclaves"], options, onEnd);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    fail(reasonOf(error));
    return null;
  }
}

/** `ENOENT`, `ERR_CHILD_PROCESS_STDIO_MAXBUFFER`, `exit 39`, `signal SIGSEGV`; never its output. */
function reasonOf(error: Error & { readonly code?: unknown; readonly signal?: unknown }): string {
  if (typeof error.code === "string") return error.code;
  if (typeof error.code === "number") return `exit ${error.code}`;
  return typeof error.signal === "string" ? `signal ${error.signal}` : "unknown";
}
