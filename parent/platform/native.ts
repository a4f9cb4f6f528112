// The addon for AF_VSOCK, as a value with a type. It must never replace an addon that is missing or
// does not load by something else: null, and `vsock:` addresses are refused.

import { fileURLToPath } from "node:url";
import { isVsockBinding, type VsockBinding } from "../../shared/wire/vsock.ts";

/** `build/vsock.node` of `npm run build:native`. May be called in any thread. */
export function loadVsock(): VsockBinding | null {
  const addon: { exports: unknown } = { exports: {} };
  try {
    const url = new URL("../../build/vsock.node", import.meta.url);
    process.dlopen(addon, fileURLToPath(url));
  } catch {
    return null;
  }
  return isVsockBinding(addon.exports) ? addon.exports : null;
}
