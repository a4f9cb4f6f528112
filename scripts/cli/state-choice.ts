// Which keys a command is about. It must never pass over a key that the enclave does not hold.

import { encodePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Admin } from "./admin.ts";
import { listKeys, selectKeys } from "./admin-keys.ts";
import type { StateOptions } from "./state-options.ts";
import { note } from "./state-text.ts";

/** The keys that the options name, or all of them. */
export async function chosenKeys(
  admin: Admin,
  options: Pick<StateOptions, "keys">,
): Promise<Result<readonly Uint8Array[], Refusal>> {
  if (options.keys.length === 0) return listKeys(admin);
  const selected = await selectKeys(admin, options.keys);
  if (!selected.ok) return selected;
  const [unknown] = selected.value.unknown;
  if (unknown === undefined) return ok(selected.value.known);
  note(`not a key of the enclave: ${encodePrefixedHex(unknown)}`);
  return err(refusal("KEY_UNKNOWN"));
}
