// The way from enclaves to the table, in the hands of chance: requests and answers that are lost,
// late, doubled, out of order or wrong, and errors before and after the work is done. It can't
// forge an answer of the table: TLS ends in the enclave.

import type { DynamoCall } from "../../enclave/state/dynamo-client.ts";
import type { JsonFields } from "../../enclave/state/dynamo-item.ts";
import { refusal } from "../../shared/errors.ts";
import { err, ok } from "../../shared/result.ts";
import type { Random } from "./random.ts";
import { failed, type TableModel } from "./table-model.ts";
import type { Machine, VirtualTime } from "./virtual-time.ts";

type Answer = Awaited<ReturnType<DynamoCall>>;

const FATES = [
  "clean",
  "request-lost",
  "answer-lost",
  "reset",
  "reset-and-done-later",
  "done-after-deadline",
  "doubled",
  "error-before",
  "error-after",
  "throttled",
  "denied",
  "garbled-before",
  "garbled-after",
  "unsent",
] as const;
export type Fate = (typeof FATES)[number];

export const LOST: Answer = err({ kind: "unavailable" });
const GARBLED: Answer = err({ kind: "malformed" });
const UNSENT: Answer = err({ kind: "relay", refusal: refusal("RELAY_UNREACHABLE") });

const CLEAN: Readonly<Record<Fate, number>> = {
  ...zeros(),
  clean: 1,
};

/** How far a call has come: nothing done yet, done by the table, or answered. */
type Call = { readonly operation: string; readonly fate: Fate; stage: "sent" | "done" };

export class TableNetwork {
  readonly #random: Random;
  readonly #time: VirtualTime;
  readonly #table: TableModel;
  weights: Readonly<Record<Fate, number>> = CLEAN;
  /** How long a message is under way: mostly short, sometimes past every deadline. */
  isSlow = false;
  readonly fates = new Set<Fate>();
  readonly #calls = new Map<Machine, Set<Call>>();
  callCount = 0;
  /** Requests that are under way, or will still be done. */
  pendingCount = 0;

  constructor(random: Random, time: VirtualTime, table: TableModel) {
    this.#random = random;
    this.#time = time;
    this.#table = table;
  }

  calm(): void {
    this.weights = CLEAN;
    this.isSlow = false;
  }

  /** How one machine reaches the table. */
  callOf(machine: Machine): DynamoCall {
    return (operation, body, deadlineMs) =>
      new Promise((resolve) => {
        this.callCount += 1;
        const fate = this.#random.weighted(this.weights);
        this.fates.add(fate);
        const call: Call = { operation, fate, stage: "sent" };
        const calls = this.#calls.get(machine) ?? new Set();
        this.#calls.set(machine, calls.add(call));
        const settle = (value: Answer): void => {
          calls.delete(call);
          resolve(value);
        };
        const timer = machine.after(deadlineMs, () => settle(LOST));
        const answer = (value: Answer): void => {
          machine.run(() => {
            timer.stop();
            settle(value);
          });
        };
        this.#carry({ call, body, deadlineMs, answer });
      });
  }

  /** What is under way for a machine: where a crash of it would fall. */
  situationOf(machine: Machine): string {
    const calls = [...(this.#calls.get(machine) ?? [])];
    const parts = calls.map(({ operation, fate, stage }) => `${operation} ${fate} ${stage}`);
    return parts.toSorted().join(", ");
  }

  #carry(sent: {
    readonly call: Call;
    readonly body: JsonFields;
    readonly deadlineMs: number;
    readonly answer: (value: Answer) => void;
  }): void {
    const { call, body, deadlineMs, answer } = sent;
    const thereMs = this.#delayMs();
    const backMs = thereMs + this.#delayMs();
    // Bytes that left can't be changed by what happens to their sender.
    const request = structuredClone(body);
    const work = (): Answer => {
      call.stage = "done";
      return ok(this.#table.apply(call.operation, request));
    };
    const tell = (value: Answer) => () => answer(value);
    switch (call.fate) {
      case "clean":
        return this.#in(thereMs, () => {
          const value = work();
          this.#in(backMs - thereMs, tell(value));
        });
      case "request-lost":
        return;
      case "answer-lost":
        return this.#in(thereMs, work);
      case "reset":
        return this.#in(thereMs, tell(LOST));
      case "reset-and-done-later":
        this.#in(thereMs, tell(LOST));
        return this.#in(backMs + this.#random.between(0, 9000), work);
      case "done-after-deadline":
        return this.#in(deadlineMs + this.#random.between(0, 9000), work);
      case "doubled": {
        // Somebody between sends it again; the second answer is the one that arrives.
        this.#in(thereMs, work);
        return this.#in(thereMs + this.#random.between(0, 1500), () => tell(work())());
      }
      case "error-before":
        return this.#in(backMs, tell(ok(this.#anyError())));
      case "error-after":
        return this.#in(thereMs, () => {
          work();
          this.#in(backMs - thereMs, tell(ok(this.#anyError())));
        });
      case "throttled":
        return this.#in(backMs, tell(ok(failed("ProvisionedThroughputExceededException"))));
      case "denied":
        return this.#in(backMs, tell(ok(failed("AccessDeniedException"))));
      case "garbled-before":
        return this.#in(backMs, tell(GARBLED));
      case "garbled-after":
        return this.#in(thereMs, () => {
          work();
          this.#in(backMs - thereMs, tell(GARBLED));
        });
      case "unsent":
        return this.#in(this.#random.below(50), tell(UNSENT));
    }
  }

  #anyError() {
    return this.#random.chance(0.5)
      ? failed("InternalServerError", {}, 500)
      : failed("ServiceUnavailable", {}, 503);
  }

  #in(delayMs: number, run: () => void): void {
    this.pendingCount += 1;
    this.#time.at(this.#time.nowMs + delayMs, () => {
      this.pendingCount -= 1;
      run();
    });
  }

  #delayMs(): number {
    if (!this.isSlow) return this.#random.between(1, 8);
    switch (this.#random.weighted({ short: 70, long: 20, late: 10 })) {
      case "short":
        return this.#random.between(1, 20);
      case "long":
        return this.#random.between(20, 900);
      case "late":
        return this.#random.between(900, 6000);
    }
  }
}

/** Some tempers of a network: mostly fine, mostly broken, and between. */
export function anyWeights(random: Random): Readonly<Record<Fate, number>> {
  const share = random.pick([0.1, 0.3, 0.7]) ?? 0;
  const weights: Record<Fate, number> = zeros();
  for (const fate of FATES) weights[fate] = random.chance(0.6) ? random.next() : 0;
  weights.denied *= 0.1;
  const total = FATES.reduce((sum, fate) => sum + weights[fate], 0);
  weights.clean = total === 0 ? 1 : (total * (1 - share)) / share;
  return weights;
}

function zeros(): Record<Fate, number> {
  return Object.fromEntries(FATES.map((fate) => [fate, 0])) as Record<Fate, number>; // oxlint-disable-line typescript/no-unsafe-type-assertion -- every fate
}
