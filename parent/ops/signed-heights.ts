// What each key of a chain has signed last, for the chain's metrics. Keys are no labels: an
// operator with hundreds of them watches chains, and wants to hear of the one that lags behind. It
// must never take heights of two keys for those of one.

import { encodeHex } from "../../shared/bytes/hex.ts";
import type { SignedStep } from "../link/privval-signer.ts";

export type Last = { readonly height: bigint; readonly round: number; readonly atMs: number };

/** A key that nodes ask for; null: the only one of its chain. */
export type WatchedKey = { readonly chainId: string; readonly key: Uint8Array | null };

type Steps = Map<number, Last>;

/** Of a chain's steps: the last of the key that is behind the others, and how old the oldest is. */
export type Lag = {
  readonly chain: string;
  readonly step: number;
  readonly behind: Last;
  readonly oldestMs: number;
};

const PRECOMMIT = 3;
/** Of a key that nobody has named. */
const UNNAMED = "";

export class SignedHeights {
  readonly #chains = new Map<string, Map<string, Steps>>();

  /** How many heights this key has left out, between its last precommit and this one. */
  note(
    { chainId, key }: WatchedKey,
    { height, round, step }: SignedStep["position"],
    atMs: number,
  ): bigint {
    const steps = this.#stepsOf(chainId, key);
    const last = steps.get(step);
    const isLast = last === undefined || height >= last.height;
    if (isLast) steps.set(step, { height, round, atMs });
    const isLeap = step === PRECOMMIT && last !== undefined && height > last.height + 1n;
    return isLeap ? height - last.height - 1n : 0n;
  }

  /** For each chain and step that was signed. */
  lags(): readonly Lag[] {
    return [...this.#chains].flatMap(([chain, keys]) => {
      const steps = new Set([...keys.values()].flatMap((each) => [...each.keys()]));
      return [...steps].flatMap((step) => {
        const lasts = [...keys.values()].flatMap((each) => each.get(step) ?? []);
        const behind = lasts.reduce((one, other) => (other.height < one.height ? other : one));
        return [{ chain, step, behind, oldestMs: Math.min(...lasts.map(({ atMs }) => atMs)) }];
      });
    });
  }

  /** Forgets keys that nodes no longer ask for: they would lag for ever. */
  retain(watched: readonly WatchedKey[]): void {
    for (const [chain, keys] of this.#chains) {
      const named = watched.filter(({ chainId }) => chainId === chain).map(({ key }) => key);
      if (named.length === 0) this.#chains.delete(chain);
      // Where one is asked for without its name, there is but one.
      if (named.includes(null)) continue;
      const texts = new Set(named.map((key) => textOf(key)));
      for (const text of keys.keys()) if (text !== UNNAMED && !texts.has(text)) keys.delete(text);
    }
  }

  /** A chain whose key is asked for without its name has one key: the one that others name. */
  #stepsOf(chain: string, key: Uint8Array | null): Steps {
    const keys = this.#chains.get(chain) ?? new Map<string, Steps>();
    this.#chains.set(chain, keys);
    const [first] = keys.keys();
    const text = key === null && first !== undefined ? first : textOf(key);
    const unnamed = keys.get(UNNAMED);
    if (unnamed !== undefined) {
      keys.delete(UNNAMED);
      keys.set(text, unnamed);
    }
    const steps = keys.get(text) ?? new Map<number, Last>();
    keys.set(text, steps);
    return steps;
  }
}

function textOf(key: Uint8Array | null): string {
  return key === null ? UNNAMED : encodeHex(key);
}
