// One run: a hostile load and an honest validator, and round after round of the plan. After each
// round both signers must sign something new and each must repeat what the other one signed, within
// a bounded time; then, without load, so must every key, or something is wedged.

import { type Height, HostileLoad } from "../fakes/hostile-load.ts";
import type { SmallDisk } from "../fakes/small-disk.ts";
import { Random } from "../simulation/random.ts";
import type { Cluster } from "./cluster.ts";
import { Duties } from "./duties.ts";
import { pause, runFault } from "./faults.ts";
import type { Round } from "./plan.ts";
import type { Site } from "./site.ts";

const CONCURRENCY = 20;
export const RECOVERY_MS_MAX = 60_000;
const RETRY_MS = 25;
/** Sent between nobody's faults: a signer that told this once is broken. */
const NEVER: readonly string[] = [
  "FRAME_MALFORMED",
  "FRAME_OVERSIZE",
  "HTTP_INTERNAL",
  "PARAMS_MALFORMED",
  "REQUEST_MALFORMED",
  "STATE_CORRUPT",
  "STATE_MISSING",
  "STATE_ROLLED_BACK",
  "STORE_CORRUPT",
  "STORE_CREDENTIALS",
  "STORE_DENIED",
  "STORE_IDENTITY",
  "STORE_MALFORMED",
];

export type Recovery = { readonly round: Round; readonly recoveryMs: number };

export class Chaos {
  readonly load: HostileLoad;
  readonly duties: Duties;
  readonly recoveries: Recovery[] = [];
  readonly #cluster: Cluster;
  readonly #disks: readonly SmallDisk[];
  readonly #probe: string;
  readonly #hostileKeys: readonly string[];

  constructor(cluster: Cluster, disks: readonly SmallDisk[], seed: number) {
    const [honest = "", probe = "", ...hostileKeys] = cluster.publicKeys;
    this.#cluster = cluster;
    this.#disks = disks;
    this.#probe = probe;
    this.#hostileKeys = hostileKeys;
    this.load = new HostileLoad(cluster, new Random(seed));
    this.load.keys = hostileKeys;
    this.duties = new Duties(cluster, this.load, honest);
  }

  async start(): Promise<void> {
    await this.#awaitSigning(this.#probe, "block");
    this.duties.start();
    this.load.start(CONCURRENCY);
  }

  async stop(): Promise<void> {
    await this.duties.stop();
    await this.load.stop();
  }

  /** Throws a slashable pair, and what does not recover. */
  async run(round: Round): Promise<Recovery> {
    await Promise.all(round.map((fault) => runFault(this.#cluster, this.#disks, fault)));
    const endedMs = performance.now();
    await this.#awaitSigning(this.#probe, "block");
    const recovery = { round, recoveryMs: Math.round(performance.now() - endedMs) };
    this.recoveries.push(recovery);
    await this.load.stop();
    await Promise.all(
      this.#hostileKeys.map(async (key) => {
        await this.#awaitSigning(key, "block");
        await this.#awaitSigning(key, "vote");
      }),
    );
    this.load.start(CONCURRENCY);
    return recovery;
  }

  /** Outcomes that no fault excuses. */
  wrongOutcomes(): readonly string[] {
    const { outcomes } = this.load;
    const told = NEVER.filter((outcome) => outcomes.has(outcome));
    return [...told, ...this.duties.wrongful.keys()];
  }

  /** Each signer signs something new, and the other repeats it. */
  async #awaitSigning(key: string, kind: Height["kind"]): Promise<void> {
    const { sites } = this.#cluster;
    for (const [index, site] of sites.entries()) {
      const other = sites[(index + 1) % sites.length] ?? site;
      await this.#awaitSame(key, kind, site, other);
    }
  }

  async #awaitSame(key: string, kind: Height["kind"], first: Site, then: Site): Promise<void> {
    const deadlineMs = performance.now() + RECOVERY_MS_MAX;
    for (;;) {
      const ask = { key, height: this.#freshHeight(kind), salt: 0 };
      const { outcome } = await this.load.answer(ask, first);
      const again =
        outcome === "signed" ? (await this.load.answer(ask, then)).outcome : "not asked";
      this.load.check();
      if (again === "signed") return;
      if (performance.now() > deadlineMs) {
        const told = `${first.name}: ${outcome}, ${then.name}: ${again}`;
        throw new Error(`no fresh ${kind} within ${RECOVERY_MS_MAX} ms: ${told}`);
      }
      await pause(RETRY_MS);
    }
  }

  #freshHeight(kind: Height["kind"]): Height {
    const slot = this.#cluster.freshSlot();
    if (kind === "block") return { kind, slot };
    const target = Math.floor(slot / Number(this.#cluster.network.slotsPerEpoch));
    return { kind, source: target - 1, target };
  }
}
