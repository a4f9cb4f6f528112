// What a tmkms.toml may say, as tmkms 0.15 takes it (src/config.rs and src/config/*): every field
// that it knows, no other. It must never let through what nobody here has thought of: an unknown
// field may be a restriction that would be lost on the way.

import { z } from "zod";
import { isChainId } from "../../enclave/core/chains/tendermint/manifest-part.ts";
import { isHeight } from "../../enclave/core/chains/tendermint/position.ts";
import { CHAIN_COUNT_MAX, PRIVVAL_NODE_COUNT_MAX } from "../../shared/limits.ts";

const ENTRY_COUNT_MAX = 256;
const PATH_LENGTH_MAX = 4096;
const TEXT_LENGTH_MAX = 4096;

/** As the manifest has it. */
const chainId = z.string().refine(isChainId, "expected a chain id");
const chainIds = z.array(chainId).min(1).max(CHAIN_COUNT_MAX);
/** No control characters: the path goes into a command that people paste. */
const path = z
  .string()
  .min(1)
  .max(PATH_LENGTH_MAX)
  .regex(/^\P{Cc}+$/u, "expected a path");
const text = z.string().max(TEXT_LENGTH_MAX);
const prefix = z.string().regex(/^[a-z0-9]{1,64}$/, "expected a prefix in lower case");
const keyType = z.enum(["consensus", "account"]).default("consensus");
const seconds = z.int().min(0).max(65_535);

/** tmkms reads text here; a number is as clear. Zero is no height (docs/manifest.md). */
const height = z.union([z.string(), z.int()]).transform((value, context): bigint => {
  const digits = String(value);
  const parsed = /^[1-9][0-9]{0,18}$/.test(digits) ? BigInt(digits) : 0n;
  if (isHeight(parsed)) return parsed;
  context.addIssue("expected a height from 1 on");
  return z.NEVER;
});

const keyFormat = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("bech32"),
    account_key_prefix: prefix,
    consensus_key_prefix: prefix,
  }),
  z.strictObject({ type: z.literal("cosmos-json") }),
  z.strictObject({ type: z.literal("hex") }),
]);

const chain = z.strictObject({
  id: chainId,
  key_format: keyFormat,
  sign_extensions: z.boolean().optional(),
  state_file: path.optional(),
  state_hook: z
    .strictObject({
      cmd: z.array(text),
      timeout_secs: z.int().min(0).optional(),
      fail_closed: z.boolean().optional(),
    })
    .optional(),
});

const validator = z.strictObject({
  addr: text,
  chain_id: chainId,
  reconnect: z.boolean().default(true),
  timeout: seconds.optional(),
  secret_key: path.optional(),
  max_height: height.optional(),
  protocol_version: z.enum(["v0.38", "v0.34"]).optional(),
});

const softsign = z.strictObject({
  chain_ids: chainIds,
  key_type: keyType,
  key_format: z.enum(["base64", "json"]).default("base64"),
  path,
});

const yubihsm = z.strictObject({
  adapter: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("usb"), timeout_ms: z.int().min(0).optional() }),
    z.strictObject({ type: z.literal("http"), addr: text }),
  ]),
  auth: z.union([
    z.strictObject({ key: seconds, password_file: path }),
    z.strictObject({ key: seconds, password: text }),
  ]),
  keys: z
    .array(z.strictObject({ chain_ids: chainIds, key: seconds, type: keyType }))
    .max(ENTRY_COUNT_MAX)
    .default([]),
  serial_number: text.optional(),
  connector_server: z
    .strictObject({
      laddr: text,
      cli: z.strictObject({ auth_key: seconds.optional() }).optional(),
    })
    .optional(),
});

const fortanixdsm = z.strictObject({
  api_endpoint: text,
  api_key: text,
  signing_keys: z
    .array(
      z.strictObject({
        chain_ids: chainIds,
        key_id: text.optional(),
        key_name: text.optional(),
        type: keyType,
      }),
    )
    .max(ENTRY_COUNT_MAX)
    .default([]),
});

const entries = <Entry extends z.ZodType>(entry: Entry) =>
  z.array(entry).max(ENTRY_COUNT_MAX).default([]);

export const tmkmsSchema = z.strictObject({
  chain: z.array(chain).max(CHAIN_COUNT_MAX).default([]),
  validator: z.array(validator).max(PRIVVAL_NODE_COUNT_MAX).default([]),
  providers: z.strictObject({
    softsign: entries(softsign),
    yubihsm: entries(yubihsm),
    ledgertm: entries(z.strictObject({ chain_ids: chainIds })),
    fortanixdsm: entries(fortanixdsm),
  }),
});

export type TmkmsConfig = z.infer<typeof tmkmsSchema>;
export type TmkmsChain = TmkmsConfig["chain"][number];
export type TmkmsValidator = TmkmsConfig["validator"][number];
export type KeyFormat = TmkmsChain["key_format"];
