// EIP-3076, the slashing protection interchange format, version 5. Only the maxima of a file are
// kept ("minimal strategy"): a key may sign above them, never at or below. It must never let a
// file that is read leniently make a floor lower than its writer meant: unknown or duplicate
// names, numbers that are not canonical decimal strings and other versions are refused.

import { compareBytes, isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodeHex, encodePrefixedHex, parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { type Refusal, refusal } from "../../shared/errors.ts";
import { INTERCHANGE_BYTES_MAX, KEY_COUNT_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { SCHEMES } from "../../shared/scheme.ts";
import { JsonCursor, MalformedJson } from "./json-cursor.ts";

const VERSION = "5";
const ROOT_BYTES = 32;
const PUBLIC_KEY_BYTES = SCHEMES["bls12381-pop"].publicKeyBytes;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const U64_DIGITS_MAX = 20;

/**
 * The maxima of one key. The greatest source and the greatest target may come from different
 * attestations. A root is null when it is not stated, or when two differ at the maximum.
 */
export type KeyMaxima = {
  readonly key: Uint8Array;
  readonly blockSlot: bigint | null;
  readonly blockRoot: Uint8Array | null;
  readonly source: bigint | null;
  readonly target: bigint | null;
  readonly attestationRoot: Uint8Array | null;
};

export type Interchange = {
  readonly genesisValidatorsRoot: Uint8Array;
  /** One per key, sorted by key. */
  readonly keys: readonly KeyMaxima[];
};

/** A greatest height, and the root that was signed there if there is exactly one. */
class Peak {
  #height: bigint | null = null;
  #root: Uint8Array | null = null;

  get height(): bigint | null {
    return this.#height;
  }

  get root(): Uint8Array | null {
    return this.#root;
  }

  add(height: bigint, root: Uint8Array | null): void {
    if (this.#height === null || height > this.#height) {
      this.#height = height;
      this.#root = root;
    } else if (height === this.#height && this.#root !== null) {
      // A missing root may be any root: it is as good as a different one.
      if (root === null || !isEqualBytes(this.#root, root)) this.#root = null;
    }
  }

  merge(other: Peak): void {
    if (other.height !== null) this.add(other.height, other.root);
  }
}

/** Folds what was signed into maxima, so that a file's history never has to fit into memory. */
class History {
  readonly block = new Peak();
  readonly source = new Peak();
  readonly target = new Peak();

  merge(other: History): void {
    this.block.merge(other.block);
    this.source.merge(other.source);
    this.target.merge(other.target);
  }

  maxima(key: Uint8Array): KeyMaxima {
    return {
      key,
      blockSlot: this.block.height,
      blockRoot: this.block.root,
      source: this.source.height,
      target: this.target.height,
      attestationRoot: this.target.root,
    };
  }
}

/** Reads a whole file, minimised; `detail` of a refusal is the offset where reading stopped. */
export function parseInterchange(
  bytes: Uint8Array,
): Result<Interchange, Refusal<"INTERCHANGE_MALFORMED">> {
  if (bytes.length > INTERCHANGE_BYTES_MAX) return err(refusal("INTERCHANGE_MALFORMED"));
  try {
    return ok(new InterchangeReader(bytes).read());
  } catch (error) {
    if (error instanceof MalformedJson) return err(refusal("INTERCHANGE_MALFORMED", error.offset));
    throw error;
  }
}

class InterchangeReader {
  readonly #json: JsonCursor;
  readonly #histories = new Map<string, { readonly key: Uint8Array; readonly history: History }>();

  constructor(bytes: Uint8Array) {
    this.#json = new JsonCursor(bytes);
  }

  read(): Interchange {
    let genesisValidatorsRoot: Uint8Array = new Uint8Array(0);
    this.#json.object(
      {
        metadata: () => {
          genesisValidatorsRoot = this.#metadata();
        },
        data: () => this.#json.array(() => this.#entry()),
      },
      ["metadata", "data"],
    );
    this.#json.end();
    const keys = [...this.#histories.values()].map(({ key, history }) => history.maxima(key));
    return { genesisValidatorsRoot, keys: keys.sort((a, b) => compareBytes(a.key, b.key)) };
  }

  #metadata(): Uint8Array {
    let root: Uint8Array = new Uint8Array(0);
    this.#json.object(
      {
        interchange_format_version: () => {
          if (this.#json.string(8) !== VERSION) this.#json.fail();
        },
        genesis_validators_root: () => {
          root = this.#hex(ROOT_BYTES);
        },
      },
      ["interchange_format_version", "genesis_validators_root"],
    );
    return root;
  }

  /** The signatures of an entry may stand before its key: they are merged when it ends. */
  #entry(): void {
    let key: Uint8Array = new Uint8Array(0);
    const history = new History();
    this.#json.object(
      {
        pubkey: () => {
          key = this.#hex(PUBLIC_KEY_BYTES);
        },
        signed_blocks: () => this.#json.array(() => this.#block(history)),
        signed_attestations: () => this.#json.array(() => this.#attestation(history)),
      },
      ["pubkey", "signed_blocks", "signed_attestations"],
    );
    const name = encodeHex(key);
    const known = this.#histories.get(name);
    if (known !== undefined) return known.history.merge(history);
    if (this.#histories.size >= KEY_COUNT_MAX) this.#json.fail();
    this.#histories.set(name, { key, history });
  }

  #block(history: History): void {
    let slot = 0n;
    let root: Uint8Array | null = null;
    this.#json.object(
      {
        slot: () => {
          slot = this.#u64();
        },
        signing_root: () => {
          root = this.#hex(ROOT_BYTES);
        },
      },
      ["slot"],
    );
    history.block.add(slot, root);
  }

  #attestation(history: History): void {
    let source = 0n;
    let target = 0n;
    let root: Uint8Array | null = null;
    this.#json.object(
      {
        source_epoch: () => {
          source = this.#u64();
        },
        target_epoch: () => {
          target = this.#u64();
        },
        signing_root: () => {
          root = this.#hex(ROOT_BYTES);
        },
      },
      ["source_epoch", "target_epoch"],
    );
    history.source.add(source, null);
    history.target.add(target, root);
  }

  #u64(): bigint {
    const text = this.#json.string(U64_DIGITS_MAX);
    if (!/^(0|[1-9][0-9]*)$/.test(text)) this.#json.fail();
    const value = BigInt(text);
    if (value > U64_MAX) this.#json.fail();
    return value;
  }

  #hex(byteCount: number): Uint8Array {
    const parsed = parsePrefixedHex(this.#json.string(2 + 2 * byteCount), byteCount);
    return parsed.ok ? parsed.value : this.#json.fail();
  }
}

/** At most one block and one attestation per key: the minimal form of EIP-3076. */
export function encodeInterchange(interchange: Interchange): string {
  const keys = [...interchange.keys].sort((a, b) => compareBytes(a.key, b.key));
  const document = {
    metadata: {
      interchange_format_version: VERSION,
      genesis_validators_root: encodePrefixedHex(interchange.genesisValidatorsRoot),
    },
    data: keys.map((maxima) => ({
      pubkey: encodePrefixedHex(maxima.key),
      signed_blocks:
        maxima.blockSlot === null
          ? []
          : [{ slot: maxima.blockSlot.toString(), ...signingRoot(maxima.blockRoot) }],
      signed_attestations:
        maxima.source === null || maxima.target === null
          ? []
          : [
              {
                source_epoch: maxima.source.toString(),
                target_epoch: maxima.target.toString(),
                ...signingRoot(maxima.attestationRoot),
              },
            ],
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function signingRoot(root: Uint8Array | null): { readonly signing_root?: string } {
  return root === null ? {} : { signing_root: encodePrefixedHex(root) };
}
