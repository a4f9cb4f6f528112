// The machines of one history, each with one boot of an enclave at a time, all on one table (or,
// for a test of the tests, each on its own). Nothing here decides when something happens.

import type { StateStore } from "../../enclave/core/ports.ts";
import { DynamoStore } from "../../enclave/state/dynamo-store.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { STATE } from "../fakes/scripted-dynamo.ts";
import type { Random } from "./random.ts";
import type { Life } from "./simulated-chain.ts";
import type { TableNetwork } from "./table-network.ts";
import { Machine, type VirtualTime } from "./virtual-time.ts";

export type Boot<E extends Life> = {
  readonly machine: Machine;
  readonly enclave: E;
  readonly store: StateStore;
};

export type FleetParts<E extends Life> = {
  readonly random: Random;
  readonly time: VirtualTime;
  readonly bootEnclave: () => E;
  readonly keys: readonly BundleKey[];
  readonly count: number;
  /** The way to the table, for one more boot. */
  readonly network: () => TableNetwork;
  readonly breakStore: (store: StateStore) => StateStore;
};

export class TableFleet<E extends Life> {
  readonly #parts: FleetParts<E>;
  readonly boots: (Boot<E> | null)[];
  #bootCount = 0;
  crashCount = 0;
  stopCount = 0;

  constructor(parts: FleetParts<E>) {
    this.#parts = parts;
    this.boots = Array.from({ length: parts.count }, () => null);
  }

  get isDown(): boolean {
    return this.boots.some((boot) => boot?.enclave.isReady !== true);
  }

  get isStopped(): boolean {
    return this.boots.some((boot) => boot?.machine.isStopped === true);
  }

  ready(): readonly Boot<E>[] {
    return this.boots.flatMap((boot) => {
      const isServing = boot?.enclave.isReady === true && !boot.machine.isStopped;
      return isServing && boot !== null ? [boot] : [];
    });
  }

  anyReady(): Boot<E> | undefined {
    return this.#parts.random.pick(this.ready());
  }

  /** Some enclave that is not ready, booted if it has to be. */
  anyDown(): Boot<E> | undefined {
    const down = this.boots.flatMap((boot, index) =>
      boot?.enclave.isReady === true ? [] : [index],
    );
    const index = this.#parts.random.pick(down);
    return index === undefined ? undefined : this.bootAt(index);
  }

  bootAt(index: number): Boot<E> {
    const running = this.boots[index] ?? null;
    if (running !== null) return running;
    const { time, bootEnclave, network, breakStore } = this.#parts;
    this.#bootCount += 1;
    const machine = new Machine(time);
    const bootId = new Uint8Array(16).fill(this.#bootCount);
    const receiptLog = { append: () => undefined };
    const ports = { call: network().callOf(machine), clock: machine, ticker: machine };
    const store = breakStore(new DynamoStore({ state: STATE, bootId, receiptLog }, ports));
    const enclave = bootEnclave();
    const boot = { machine, enclave, store };
    this.boots[index] = boot;
    return boot;
  }

  async open({ enclave, store }: Boot<E>): Promise<void> {
    if (enclave.isBusy || enclave.isReady) return;
    for (const key of this.#parts.keys) {
      if (!enclave.holds(key)) await enclave.load(key);
    }
    if (!enclave.isBusy) await enclave.openState(store);
  }

  crash(index: number): void {
    const boot = this.boots[index] ?? null;
    if (boot === null) return;
    this.crashCount += 1;
    boot.machine.kill();
    boot.enclave.isAlive = false;
    this.boots[index] = null;
  }

  stopAny(): void {
    const boot = this.#any();
    if (boot === undefined || boot.machine.isStopped) return;
    this.stopCount += 1;
    boot.machine.stop();
  }

  resumeAll(): void {
    const { random } = this.#parts;
    const shuffle = <T>(items: readonly T[]): readonly T[] =>
      items
        .map((item) => ({ item, at: random.next() }))
        .toSorted((a, b) => a.at - b.at)
        .map(({ item }) => item);
    for (const boot of this.boots) boot?.machine.resume(random.chance(0.5), shuffle);
  }

  /** Trusted time may be wrong by some: it only refuses. Monotonic time jumps ahead. */
  jumpAny(aheadMsMax: number): void {
    const { random } = this.#parts;
    const boot = this.#any();
    if (boot === undefined) return;
    boot.enclave.aheadMs = random.between(-aheadMsMax, aheadMsMax);
    if (random.chance(0.5)) boot.machine.jump(random.between(1, 60_000));
  }

  #any(): Boot<E> | undefined {
    return this.#parts.random.pick(this.boots.flatMap((boot) => (boot === null ? [] : [boot])));
  }
}
