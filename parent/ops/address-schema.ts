// Addresses in the configuration, of the kinds that a listener can serve.

import { z } from "zod";
import { type Address, type AddressKind, parseAddress } from "../../shared/address.ts";

export function addressOf(...kinds: readonly AddressKind[]): z.ZodType<Address, string> {
  return z.string().transform((text, context): Address => {
    const address = parseAddress(text);
    if (address.ok && kinds.includes(address.value.kind)) return address.value;
    context.addIssue(`expected ${kinds.map((kind) => `${kind}://…`).join(" or ")}`);
    return z.NEVER;
  });
}
