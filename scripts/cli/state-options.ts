// The options of `redoubt state`, parsed strictly: each action takes its own and no other. It must
// never guess: half of a vote, or an option that the action does not have, is wrong use.

import type { Position } from "../../enclave/core/chains/tendermint/position.ts";
import { parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { OVERRIDE_VALID_MS_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { SCHEMES } from "../../shared/scheme.ts";
import { parseAdminPath } from "./admin.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { parsePositionOption } from "./position-option.ts";
import { STATE_FORMATS, type StateFormat } from "./signer-state.ts";
import { parsePcrs } from "./verify-options.ts";

export type StateOptions = {
  readonly all: boolean;
  readonly isDryRun: boolean;
  readonly isJson: boolean;
  readonly isConfirmed: boolean;
  readonly keys: readonly Uint8Array[];
  readonly adminPath: string;
  readonly file: string | null;
  readonly slot: bigint | null;
  readonly source: bigint | null;
  readonly target: bigint | null;
  /** Of Tendermint chains, as the next two. */
  readonly position: Position | null;
  readonly chain: string | null;
  readonly format: StateFormat | null;
  readonly validMs: number | null;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** Paths. */
  readonly proof: string | null;
  readonly export: string | null;
  readonly out: string | null;
  readonly operatorKey: string | null;
  readonly root: string | null;
  readonly release: string | null;
  readonly manifest: string | null;
};

/** A wrong use of the command: exit code 2. */
export type Misuse = { readonly misuse: string };

export type ActionSyntax = {
  readonly options: readonly string[];
  readonly needsFile: boolean;
  /** Either all keys or some. */
  readonly needsChoice?: boolean;
  /** What more must be given; null when nothing is missing. */
  readonly check?: (options: StateOptions) => string | null;
};

const OPTIONS = {
  all: { type: "boolean" },
  key: { type: "string", multiple: true },
  admin: { type: "string" },
  json: { type: "boolean" },
  "dry-run": { type: "boolean" },
  yes: { type: "boolean" },
  slot: { type: "string" },
  source: { type: "string" },
  target: { type: "string" },
  height: { type: "string" },
  round: { type: "string" },
  step: { type: "string" },
  chain: { type: "string" },
  format: { type: "string" },
  "valid-minutes": { type: "string" },
  pcr: { type: "string", multiple: true },
  proof: { type: "string" },
  export: { type: "string" },
  out: { type: "string" },
  "operator-key": { type: "string" },
  root: { type: "string" },
  release: { type: "string" },
  manifest: { type: "string" },
} as const;

type Values = Arguments<typeof OPTIONS>["values"];

/** Every action has these. */
const COMMON: readonly string[] = ["admin", "json"];
const KEY_LENGTHS: ReadonlySet<number> = new Set(
  Object.values(SCHEMES).map(({ publicKeyBytes }) => publicKeyBytes),
);
const U64_MAX = 0xffff_ffff_ffff_ffffn;

export function parseStateOptions(
  name: string,
  action: ActionSyntax,
  args: readonly string[],
): Result<StateOptions, Misuse> {
  const parsed = parseArguments(args, OPTIONS);
  if (!parsed.ok) return err({ misuse: parsed.error });
  const { values, positionals } = parsed.value;
  const foreign = Object.keys(values).find(
    (option) => !COMMON.includes(option) && !action.options.includes(option),
  );
  if (foreign !== undefined) return err({ misuse: `${name} has no option --${foreign}` });
  const takesKeys = values.key !== undefined;
  const [file, ...extra] = positionals;
  if (action.needsFile && (file === undefined || extra.length > 0)) {
    return err({ misuse: `${name} takes exactly one file` });
  }
  if (!action.needsFile && positionals.length > 0 && !takesKeys) {
    return err({ misuse: `${name} takes no ${positionals[0] ?? ""}` });
  }
  if (action.needsChoice === true && (values.all ?? false) === takesKeys) {
    return err({ misuse: "say either --all or --key" });
  }
  const moreKeys = takesKeys && !action.needsFile ? positionals : [];
  const keys = parseKeys([...(values.key ?? []), ...moreKeys]);
  if (!keys.ok) return keys;
  const options = optionsOf(values, keys.value, action.needsFile ? (file ?? null) : null);
  if (!options.ok) return options;
  const missing = action.check?.(options.value) ?? null;
  return missing === null ? options : err({ misuse: missing });
}

function optionsOf(
  values: Values,
  keys: readonly Uint8Array[],
  file: string | null,
): Result<StateOptions, Misuse> {
  const adminPath = parseAdminPath(values.admin);
  if (!adminPath.ok) return err({ misuse: "--admin takes unix:///PATH" });
  const slot = parseHeight(values.slot);
  const source = parseHeight(values.source);
  const target = parseHeight(values.target);
  if (slot === undefined || source === undefined || target === undefined) {
    return err({ misuse: "--slot, --source and --target take a decimal number" });
  }
  if ((source === null) !== (target === null)) {
    return err({ misuse: "--source and --target go together" });
  }
  const { height, round, step } = values;
  const position = parsePositionOption({ height, round, step });
  if (!position.ok) return err({ misuse: position.error });
  const format = parseFormat(values.format);
  if (format === undefined) return err({ misuse: `--format takes ${STATE_FORMATS.join(", ")}` });
  const validMs = parseMinutes(values["valid-minutes"]);
  if (validMs === undefined) {
    return err({ misuse: `--valid-minutes takes 1 to ${OVERRIDE_VALID_MS_MAX / 60_000}` });
  }
  const pcrs = parsePcrs(values.pcr ?? []);
  if (!pcrs.ok) return err({ misuse: pcrs.error });
  return ok({
    all: values.all ?? false,
    isDryRun: values["dry-run"] ?? false,
    isJson: values.json ?? false,
    isConfirmed: values.yes ?? false,
    keys,
    adminPath: adminPath.value,
    file,
    slot,
    source,
    target,
    position: position.value,
    chain: values.chain ?? null,
    format,
    validMs,
    pcrs: pcrs.value,
    proof: values.proof ?? null,
    export: values.export ?? null,
    out: values.out ?? null,
    operatorKey: values["operator-key"] ?? null,
    root: values.root ?? null,
    release: values.release ?? null,
    manifest: values.manifest ?? null,
  });
}

/** Undefined: malformed; null: not given. */
function parseHeight(text: string | undefined): bigint | null | undefined {
  if (text === undefined) return null;
  if (!/^(0|[1-9][0-9]{0,19})$/.test(text)) return undefined;
  const height = BigInt(text);
  return height <= U64_MAX ? height : undefined;
}

/** As `parseHeight`. */
function parseFormat(text: string | undefined): StateFormat | null | undefined {
  return text === undefined ? null : STATE_FORMATS.find((format) => format === text);
}

function parseMinutes(text: string | undefined): number | null | undefined {
  if (text === undefined) return null;
  if (!/^[1-9][0-9]{0,4}$/.test(text)) return undefined;
  const ms = Number(text) * 60_000;
  return ms <= OVERRIDE_VALID_MS_MAX ? ms : undefined;
}

function parseKeys(texts: readonly string[]): Result<readonly Uint8Array[], Misuse> {
  const keys = new Map<string, Uint8Array>();
  for (const text of texts) {
    const prefixed = text.startsWith("0x") ? text : `0x${text}`;
    const key = parsePrefixedHex(prefixed);
    if (!key.ok || !KEY_LENGTHS.has(key.value.length)) {
      const lengths = [...KEY_LENGTHS].join(", ");
      return err({ misuse: `${text} is not a public key in hex, of ${lengths} bytes` });
    }
    keys.set(prefixed.toLowerCase(), key.value);
  }
  return ok([...keys.values()]);
}
