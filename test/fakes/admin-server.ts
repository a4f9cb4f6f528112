// A parent's admin socket with an enclave behind it that keeps records in memory: for the tests of
// the command line. It has the semantics of the contract (an import only raises; unknown keys are
// left out) and can be told to break them.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { Answerer, type Handlers } from "../../shared/wire/link.ts";
import {
  ENCLAVE_METHODS,
  type EthereumState,
  type ImportedFloorOfKey,
} from "../../shared/wire/methods.ts";
import { ConsensusRecords, type FakeChain } from "./consensus-records.ts";
import { fakeStatus } from "./signer.ts";

export type FakeAdminOptions = {
  readonly keys: readonly Uint8Array[];
  readonly genesisValidatorsRoot: Uint8Array | null;
  readonly phase?: string;
  /** How many keys one answer of `keys.list` has. */
  readonly listCount?: number;
  /** Answers an import as if it had been done, without raising anything. */
  readonly forgetsImports?: boolean;
  /** Tendermint chains, in the place of Ethereum. */
  readonly chains?: readonly FakeChain[];
};

type Methods = typeof ENCLAVE_METHODS;

export class FakeAdmin {
  readonly states = new Map<string, EthereumState>();
  /** Method names in the order in which they arrived. */
  readonly calls: string[] = [];
  readonly consensus: ConsensusRecords;
  readonly #options: FakeAdminOptions;
  #server: Server | null = null;
  #folder = "";

  constructor(options: FakeAdminOptions) {
    this.#options = options;
    this.consensus = new ConsensusRecords(options.chains ?? []);
  }

  get url(): string {
    return `unix://${join(this.#folder, "admin.sock")}`;
  }

  get folder(): string {
    return this.#folder;
  }

  async start(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), "redoubt-admin-"));
    const server = createServer((socket) => {
      const answerer = new Answerer(ENCLAVE_METHODS, this.#handlers(), socket, setImmediate);
      socket.on("data", (chunk: Uint8Array) => {
        if (!answerer.receive(chunk).ok) socket.destroy();
      });
      socket.on("error", () => socket.destroy());
    });
    this.#server = server;
    await new Promise<void>((settle) => {
      server.listen(join(this.#folder, "admin.sock"), () => settle());
    });
  }

  async stop(): Promise<void> {
    this.#server?.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  put(key: Uint8Array, state: Partial<EthereumState>): void {
    const stored = this.states.get(encodeHex(key)) ?? emptyState(key);
    this.states.set(encodeHex(key), { ...stored, hasRecord: true, ...state });
  }

  #holds(key: Uint8Array): boolean {
    return this.#options.keys.some((held) => isEqualBytes(held, key));
  }

  #stateOf(key: Uint8Array): EthereumState {
    return this.states.get(encodeHex(key)) ?? emptyState(key);
  }

  #handlers(): Handlers<Methods> {
    const handlers = this.#handlersOfEthereum();
    return this.#options.chains === undefined
      ? handlers
      : { ...handlers, ...this.#handlersOfTendermint() };
  }

  #handlersOfTendermint(): Partial<Handlers<Methods>> {
    return {
      "state.init": ({ keys }) => ok({ createdCount: this.consensus.init(keys) }),
      "state.show": refuseFamily,
      "state.import": refuseFamily,
      "state.retire": refuseFamily,
      "state.override": refuseFamily,
      "consensus.show": ({ keys }) => this.consensus.show(keys),
      "consensus.import": (params) => {
        this.calls.push(params.isDryRun ? "consensus.import dry" : "consensus.import");
        return this.consensus.import(params, this.#options.forgetsImports ?? false);
      },
      // It has no NSM: what it says is proved by nothing.
      "consensus.retire": ({ keys }) => {
        this.calls.push("consensus.retire");
        const states = this.consensus.show(keys);
        if (!states.ok) return states;
        const document = new Uint8Array(1);
        return ok(
          states.value.map((state) => ({ state: { ...state, isRetired: true }, document })),
        );
      },
    };
  }

  #handlersOfEthereum(): Handlers<Methods> {
    return {
      status: () => this.#status(),
      "keys.list": ({ offset }) => this.#list(offset),
      "state.show": ({ keys }) => {
        this.calls.push("state.show");
        if (!keys.every((key) => this.#holds(key))) return err(refusal("KEY_UNKNOWN"));
        return ok(keys.map((key) => this.#stateOf(key)));
      },
      "state.init": ({ keys }) => {
        this.calls.push("state.init");
        const missing = keys.filter((key) => !this.#stateOf(key).hasRecord);
        for (const key of missing) this.put(Uint8Array.from(key), { seq: 1 });
        return ok({ createdCount: missing.length });
      },
      "state.import": ({ genesisValidatorsRoot, floors, isDryRun }) => {
        this.calls.push(isDryRun ? "state.import dry" : "state.import");
        const ours = this.#options.genesisValidatorsRoot;
        if (ours === null || !isEqualBytes(ours, genesisValidatorsRoot)) {
          return err(refusal("INTERCHANGE_NETWORK"));
        }
        return ok(this.#import(floors, isDryRun));
      },
      "state.challenge": refuse,
      "state.retire": refuse,
      "state.override": refuse,
      "state.handover": refuse,
      "manifest.put": refuse,
      "credentials.put": refuse,
      "bundle.put": refuse,
      "bundle.open": refuse,
      "bundle.retain": refuse,
      "state.open": refuse,
      attest: refuse,
      sign: refuse,
      privval: refuse,
      "consensus.show": refuseFamily,
      "consensus.import": refuseFamily,
      "consensus.retire": refuseFamily,
      "consensus.override": refuseFamily,
      drain: refuse,
    };
  }

  #status() {
    const { phase = "Ready", genesisValidatorsRoot, chains, keys } = this.#options;
    return ok(
      fakeStatus({
        phase,
        genesisValidatorsRoot,
        chainIds: chains?.map(({ chainId }) => chainId) ?? [],
        keyCount: keys.length,
        recordCount: this.states.size,
      }),
    );
  }

  #list(offset: number) {
    const { keys, listCount = 4096 } = this.#options;
    return ok({
      totalCount: keys.length,
      keys: keys
        .slice(offset, offset + listCount)
        .map((publicKey) => ({ scheme: 1, publicKey: Uint8Array.from(publicKey) })),
    });
  }

  #import(floors: readonly ImportedFloorOfKey[], isDryRun: boolean): readonly EthereumState[] {
    const held = floors.filter((floor) => this.#holds(floor.key));
    const forgets = this.#options.forgetsImports ?? false;
    const after = held.map((floor) => {
      const before = this.#stateOf(floor.key);
      return forgets ? before : raise(before, floor);
    });
    if (!isDryRun) for (const state of after) this.states.set(encodeHex(state.key), state);
    return after;
  }
}

function refuse(): Result<never, { readonly code: "METHOD_UNKNOWN" }> {
  return err(refusal("METHOD_UNKNOWN"));
}

function refuseFamily(): Result<never, { readonly code: "CHAIN_OTHER" }> {
  return err(refusal("CHAIN_OTHER"));
}

function raise(before: EthereumState, floor: ImportedFloorOfKey): EthereumState {
  return {
    ...before,
    key: Uint8Array.from(before.key),
    hasRecord: true,
    seq: before.seq + 1,
    blockSlot: greater(before.blockSlot, floor.blockSlot),
    source: greater(before.source, floor.source),
    target: greater(before.target, floor.target),
  };
}

function greater(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null) return b;
  return b === null || a > b ? a : b;
}

function emptyState(key: Uint8Array): EthereumState {
  return {
    key: Uint8Array.from(key),
    hasRecord: false,
    isRetired: false,
    seq: 0,
    head: new Uint8Array(32),
    blockSlot: null,
    blockRoot: null,
    source: null,
    target: null,
    attestationRoot: null,
    floor: null,
  };
}
