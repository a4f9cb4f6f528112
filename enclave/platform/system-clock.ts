// The clock of the operating system, set from trusted time. Nothing that is decided here reads it;
// OpenSSL does, when it looks at the validity of certificates, and an enclave has no NTP.

import type { NsmBinding } from "./native.ts";

/** Less than this is left alone: certificates are not that exact. */
const DIFFERENCE_MS_MAX = 1000;

/** `unixMs` is trusted Unix time. A kernel that does not let us set its clock ends the process. */
export function createClockSetter(native: Pick<NsmBinding, "setClock">): (unixMs: number) => void {
  return (unixMs) => {
    // oxlint-disable-next-line no-restricted-globals -- read only to be corrected
    if (Math.abs(Date.now() - unixMs) > DIFFERENCE_MS_MAX) native.setClock(unixMs);
  };
}
