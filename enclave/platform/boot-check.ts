// What must hold before the enclave asks for anything: not debug mode, time and entropy from the
// hypervisor, Node confined as the image says. Whatever can't be read counts as wrong. It must
// never repair or wait: an enclave that fails a check ends, and its operator reads the code.

import { readFileSync } from "node:fs";
import { isZeroBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Nsm, PcrState } from "../core/ports.ts";
import { CLOCK_SOURCE_FILE, DENIED_RIGHTS, ENTROPY_SOURCE_FILE, NODE_FLAGS } from "./node-flags.ts";

export type BootRefusal = Refusal<
  | "BOOT_DEBUG"
  | "BOOT_PCR"
  | "BOOT_CLOCK"
  | "BOOT_ENTROPY"
  | "BOOT_UNCONFINED"
  | "NSM_UNAVAILABLE"
  | "NSM_REFUSED"
  | "NSM_MALFORMED"
>;

/** What was found; null: can't be read. */
export type BootFacts = {
  readonly architecture: string;
  readonly clockSource: string | null;
  readonly entropySource: string | null;
  /** PCR0 to PCR2: the image (nitro-kms.md §2). */
  readonly imagePcrs: readonly PcrState[];
  readonly nodeFlags: readonly string[];
  /** Names of variables. */
  readonly environment: readonly string[];
  readonly hasRight: (right: string) => boolean;
};

/** The clock that the hypervisor keeps, by the name that the kernel gives it (nitro-kms.md §5). */
const CLOCK_SOURCES: Readonly<Record<string, string>> = {
  x64: "kvm-clock",
  arm64: "arch_sys_counter",
};
const ENTROPY_SOURCE = "nsm-hwrng";
/** What AWS's init gives a program without any. Node, OpenSSL and libc obey many others. */
const ENVIRONMENT: ReadonlySet<string> = new Set(["PATH"]);
const IMAGE_PCR_INDEXES = [0, 1, 2] as const;

/** The first thing that is wrong. Each of them ends the boot. */
export function decideBoot(facts: BootFacts): Result<null, BootRefusal> {
  // Without locks a program that ran before us could have written them.
  if (facts.imagePcrs.length !== IMAGE_PCR_INDEXES.length) return err(refusal("BOOT_PCR"));
  if (facts.imagePcrs.some((pcr) => !pcr.isLocked)) return err(refusal("BOOT_PCR"));
  if (!isConfined(facts)) return err(refusal("BOOT_UNCONFINED"));
  const clockSource = CLOCK_SOURCES[facts.architecture];
  if (clockSource === undefined || facts.clockSource !== clockSource) {
    return err(refusal("BOOT_CLOCK"));
  }
  if (facts.entropySource !== ENTROPY_SOURCE) return err(refusal("BOOT_ENTROPY"));
  // In debug mode the parent reads the console, and all three are zero (nitro-kms.md §0.5). Last:
  // only there can anybody read the codes above, to find out why an enclave does not stay.
  if (facts.imagePcrs.some((pcr) => isZeroBytes(pcr.digest))) return err(refusal("BOOT_DEBUG"));
  return ok(null);
}

function isConfined(facts: BootFacts): boolean {
  const given = new Set(facts.nodeFlags);
  return (
    facts.environment.every((name) => ENVIRONMENT.has(name)) &&
    NODE_FLAGS.every((flag) => given.has(flag)) &&
    facts.nodeFlags.every(isHarmless) &&
    !DENIED_RIGHTS.some((right) => facts.hasRight(right))
  );
}

/** A flag that is not in the list could take one back that is, or allow what none of them does. */
function isHarmless(flag: string): boolean {
  // What more may be read is over once the program listens.
  return NODE_FLAGS.includes(flag) || flag.startsWith("--allow-fs-read=");
}

export async function verifyBoot(
  nsm: Pick<Nsm, "describePcr">,
): Promise<Result<null, BootRefusal>> {
  const imagePcrs: PcrState[] = [];
  for (const index of IMAGE_PCR_INDEXES) {
    const pcr = await nsm.describePcr(index);
    if (!pcr.ok) return pcr;
    imagePcrs.push(pcr.value);
  }
  return decideBoot({
    architecture: process.arch,
    clockSource: readLine(CLOCK_SOURCE_FILE),
    entropySource: readLine(ENTROPY_SOURCE_FILE),
    imagePcrs,
    nodeFlags: process.execArgv,
    environment: Object.keys(process.env),
    // Without the permission model every right is there.
    hasRight: (right) => process.permission?.has(right) ?? true,
  });
}

function readLine(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}
