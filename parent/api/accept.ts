// Content negotiation as Web3Signer does it (ethereum.md §1.3): clients rely on its quirks. Teku
// and Prysm send no Accept and get bare text, Lodestar fails on anything but JSON.

export const JSON_HEADERS: Readonly<Record<"Content-Type", string>> = {
  "Content-Type": "application/json; charset=utf-8",
};
export const TEXT_HEADERS: Readonly<Record<"Content-Type", string>> = {
  "Content-Type": "text/plain; charset=utf-8",
};
export const BINARY_HEADERS: Readonly<Record<"Content-Type", string>> = {
  "Content-Type": "application/octet-stream",
};

/**
 * JSON when any entry is `application/json` or the one for any type, whatever its weight; else
 * text.
 */
export function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  if (accept === "application/json" || accept === "*/*") return true;
  return accept.split(",").some((entry) => {
    const name = mediaOf(entry);
    return name === "application/json" || name === "*/*";
  });
}

/** Whether `wanted` is named, and nothing that is named in `others` weighs more. */
export function prefers(
  accept: string | undefined,
  wanted: string,
  others: readonly string[],
): boolean {
  if (accept === undefined) return false;
  let wantedWeight = 0;
  let otherWeight = 0;
  for (const entry of accept.split(",")) {
    const name = mediaOf(entry);
    if (name === wanted) wantedWeight = Math.max(wantedWeight, weightOf(entry));
    if (others.includes(name)) otherWeight = Math.max(otherWeight, weightOf(entry));
  }
  return wantedWeight > 0 && wantedWeight >= otherWeight;
}

function mediaOf(entry: string): string {
  const end = entry.indexOf(";");
  return (end === -1 ? entry : entry.slice(0, end)).trim().toLowerCase();
}

/** RFC 9110 §12.4.2; a weight that can't be read counts as the full one. */
function weightOf(entry: string): number {
  const weight = /;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)/i.exec(entry)?.[1];
  return weight === undefined ? 1 : Math.min(1, Number(weight));
}
