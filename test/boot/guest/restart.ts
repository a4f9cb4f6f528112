// The enclave ends and is booted again, as an operator's supervisor does it: the parent finds it
// again, KMS releases the keys once more to the fresh NSM, and signing goes on past the floor of
// the new boot.

import assert from "node:assert/strict";
import { check } from "./report.ts";
import { BootedEnclave, type GuestSigner } from "./signer.ts";
import { checkAttestation, signFirstVote } from "./signing.ts";

export async function checkRestart(
  signer: GuestSigner,
  publicKey: string,
): Promise<BootedEnclave | null> {
  let enclave: BootedEnclave | null = null;
  const isUp = await check(
    "a new boot of the enclave becomes ready on the same parent",
    async () => {
      enclave = await BootedEnclave.start();
      await signer.awaitReady(enclave);
    },
  );
  if (!isUp) return enclave;
  await check("it says from which slot it signs, and signs from there on", async () => {
    const { refusals } = await signFirstVote(signer, publicKey);
    assert.ok(refusals.has("GUARD_BOOT_FLOOR"), [...refusals].join());
  });
  await checkAttestation(signer);
  return enclave;
}
