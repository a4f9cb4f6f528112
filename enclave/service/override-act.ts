// The order that lowers what is recorded of one key, whichever chain it is of. It must never lower
// anything but by an order that enough operators of the measured manifest have signed, for this
// boot of this enclave, and for the very record that is there.

import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { OverrideConfig } from "../core/state-config.ts";
import { type OrderHead, type SignedOrder, verifyOverride } from "../keys/override-signature.ts";
import type { Receipt } from "../state/record-codec.ts";
import type { Accounts, KeyAccount } from "./accounts.ts";
import type { Show } from "./record-act.ts";

export type OverrideParts<R, C, F, P> = {
  readonly manifest: { readonly override: OverrideConfig | null };
  readonly accounts: Accounts<R, C, F, P>;
  readonly bootId: Uint8Array;
  /** Trusted time, null when it is too old. */
  readonly nowMs: () => number | null;
};

/** What the key has afterwards, and what the receipt says of it. */
export type Lowered<R, F> = {
  readonly record: R;
  readonly floor: F;
  readonly heights: readonly bigint[];
};

/** What a family of chains says of its orders. */
export type Orders<R, C, F, P, S, O extends OrderHead> = {
  /** Takes no order of another family. */
  readonly parse: (bytes: Uint8Array) => Result<O, Refusal<"OVERRIDE_MALFORMED">>;
  readonly decide: (
    order: O,
    account: KeyAccount<R, C, F, P>,
    timeMs: number,
  ) => Result<Lowered<R, F>, Refusal>;
  /** Runs the write, when nothing that is signed meanwhile could escape it. */
  readonly apply: (
    account: KeyAccount<R, C, F, P>,
    write: () => Promise<Result<null, Refusal>>,
  ) => Promise<Result<null, Refusal>>;
  readonly show: Show<R, C, F, P, S>;
};

export async function overrideAccount<R, C, F, P, S, O extends OrderHead>(
  { manifest, accounts, bootId, nowMs }: OverrideParts<R, C, F, P>,
  orders: Orders<R, C, F, P, S, O>,
  signed: SignedOrder,
): Promise<Result<S, Refusal>> {
  const timeMs = nowMs();
  if (timeMs === null) return err(refusal("TIME_STALE"));
  const verified = verifyOverride(manifest.override, signed, timeMs, orders.parse);
  if (!verified.ok) return verified;
  const order = verified.value;
  // This boot never takes an older record than it knows. A later one could be shown this again.
  if (!isEqualBytes(order.bootId, bootId)) return err(refusal("OVERRIDE_BOOT"));
  const account = accounts.find(order.key);
  if (account === undefined) return err(refusal("KEY_UNKNOWN"));
  if (!isEqualBytes(order.scope, account.scope)) return err(refusal("INTERCHANGE_NETWORK"));
  const lowered = orders.decide(order, account, timeMs);
  if (!lowered.ok) return lowered;
  const { record, floor, heights } = lowered.value;
  const receipt: Receipt = { kind: "override", heights, signingRoot: order.digest, timeMs };
  const before = account.floor;
  const done = await orders.apply(account, () =>
    account.ledger.override(account, receipt, record, order.seq),
  );
  if (!done.ok) return done;
  // Loaded again meanwhile: its new floor is not the one that the order knew of.
  if (account.floor !== before) return err(refusal("STATE_CONFLICT"));
  account.floor = floor;
  return ok(orders.show(account));
}
