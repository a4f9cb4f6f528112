// The form of an EIP-3076 test vector (eth-clients/slashing-protection-interchange-tests). What
// does not have it is an error: a vector that is misread would pass for nothing.

import { z } from "zod";

const hex = (byteCount: number) =>
  z.string().regex(new RegExp(`^0x[0-9a-fA-F]{${byteCount * 2}}$`));
const decimal = z.string().regex(/^\d{1,20}$/);
const attempt = {
  pubkey: hex(48).transform((text) => text.toLowerCase()),
  signing_root: hex(32).nullish(),
  should_succeed: z.boolean(),
  /** What a signer with a full history would do, where it may sign more. */
  should_succeed_complete: z.boolean().optional(),
};

const block = z.object({ ...attempt, slot: decimal });
const attestation = z.object({ ...attempt, source_epoch: decimal, target_epoch: decimal });

export const interchangeVector = z.object({
  name: z.string(),
  genesis_validators_root: hex(32),
  steps: z.array(
    z.object({
      should_succeed: z.boolean(),
      contains_slashable_data: z.boolean().default(false),
      /** Read by the program itself: whether it is well-formed may be what the vector is about. */
      interchange: z.unknown(),
      blocks: z.array(block).default([]),
      attestations: z.array(attestation).default([]),
    }),
  ),
});

export type InterchangeVector = z.infer<typeof interchangeVector>;
export type VectorBlock = z.infer<typeof block>;
export type VectorAttestation = z.infer<typeof attestation>;
