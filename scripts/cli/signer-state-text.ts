// Reads what the state files of signers of Tendermint chains have in common, and which members they
// have: what these mean is decided elsewhere. It must never pass over a member that it does not
// know, nor one that is damaged: such a file may say something else than it seems to.

import { parseHex } from "../../shared/bytes/hex.ts";
import { JsonCursor, MalformedJson } from "./json-cursor.ts";

/** A number as it stands there: in quotes or not. */
export type WrittenNumber = { readonly digits: string; readonly isText: boolean };

export type WrittenState = {
  readonly height: WrittenNumber;
  readonly round: WrittenNumber;
  readonly step: string;
  /** Of the other members. */
  readonly names: ReadonlySet<string>;
};

/** Of an int64. */
const DIGITS_MAX = 19;
const HASH_DIGITS = 64;
/** A signature of ML-DSA-65 has 4,412. */
const TEXT_LENGTH_MAX = 16 * 1024;
const NATURAL = /^(0|[1-9][0-9]*)$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Null for anything else. */
export function readSignerState(bytes: Uint8Array): WrittenState | null {
  try {
    return new StateReader(bytes).read();
  } catch (error) {
    if (error instanceof MalformedJson) return null;
    throw error;
  }
}

class StateReader {
  readonly #json: JsonCursor;

  constructor(bytes: Uint8Array) {
    this.#json = new JsonCursor(bytes);
  }

  read(): WrittenState {
    let height: WrittenNumber = { digits: "0", isText: false };
    let round = height;
    let step = "0";
    const names = new Set<string>();
    const other = (name: string, read: () => void) => () => {
      names.add(name);
      read();
    };
    this.#json.object(
      {
        height: () => (height = this.#number()),
        round: () => (round = this.#number()),
        step: () => (step = this.#json.takeDigits(1) ?? this.#json.fail()),
        block_id: other("block_id", () => this.#blockId()),
        signature: other("signature", () => this.#base64()),
        signbytes: other("signbytes", () => this.#signBytes()),
        nonce_public: other("nonce_public", () => this.#nullableBase64()),
        ephemeral_public: other("ephemeral_public", () => this.#nullableBase64()),
        vote_ext_signature: other("vote_ext_signature", () => this.#nullableBase64()),
      },
      ["height", "round", "step"],
    );
    this.#json.end();
    return { height, round, step, names };
  }

  #number(): WrittenNumber {
    const digits = this.#json.takeDigits(DIGITS_MAX);
    if (digits !== null) return { digits, isText: false };
    const text = this.#json.string(DIGITS_MAX);
    return NATURAL.test(text) ? { digits: text, isText: true } : this.#json.fail();
  }

  /** Versions of tmkms spell it `part_set_header` or `parts`, and the total as a number or text. */
  #blockId(): void {
    if (this.#json.takeNull()) return;
    let partsCount = 0;
    const parts = () => {
      partsCount += 1;
      this.#json.object({ total: () => this.#number(), hash: () => this.#hash() }, [
        "total",
        "hash",
      ]);
    };
    this.#json.object({ hash: () => this.#hash(), part_set_header: parts, parts }, ["hash"]);
    if (partsCount !== 1) this.#json.fail();
  }

  /** Empty where there is no block. */
  #hash(): void {
    const text = this.#json.string(HASH_DIGITS);
    if (text !== "" && !parseHex(text, HASH_DIGITS / 2).ok) this.#json.fail();
  }

  #nullableBase64(): void {
    if (!this.#json.takeNull()) this.#base64();
  }

  #base64(): void {
    if (!BASE64.test(this.#json.string(TEXT_LENGTH_MAX))) this.#json.fail();
  }

  /** In hex; horcrux from 3.3 on writes base64. */
  #signBytes(): void {
    const text = this.#json.string(TEXT_LENGTH_MAX);
    if (!parseHex(text).ok && !BASE64.test(text)) this.#json.fail();
  }
}
