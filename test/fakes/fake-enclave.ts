// An enclave as the parent's link sees it: phases, bundles and keys without any cryptography, over
// a unix socket. It counts what it is asked, fails where a test says so, and can restart.

import { createHash, randomBytes } from "node:crypto";
import type { Server, Socket } from "node:net";
import { listenOn } from "../../parent/platform/socket.ts";
import { sampleMeasurements } from "../../scripts/local/nsm-simulator.ts";
import { manifestPcr } from "../../shared/attestation/pcr.ts";
import { parseBundle } from "../../shared/bundle/format.ts";
import { concatBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { type ErrorCode, type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { Answerer, type Handlers } from "../../shared/wire/link.ts";
import { type AnswerOf, ENCLAVE_METHODS, type EnclaveMethod } from "../../shared/wire/methods.ts";
import { documentOf, pcrsOf } from "./attestation-fixture.ts";
import { fakeStatus } from "./signer.ts";

type Methods = typeof ENCLAVE_METHODS;
type OpenBundle = { readonly id: Uint8Array; readonly keys: readonly Uint8Array[] };

export class FakeEnclave {
  phase = "Booting";
  bootId: Uint8Array = randomBytes(16);
  manifestDigest: Uint8Array | null = null;
  /** Codes that a method answers with instead, in order; then it works. */
  readonly failures = new Map<EnclaveMethod, ErrorCode[]>();
  /** Codes that `bundle.open` answers for a bundle, by the hex of its id, until removed. */
  readonly badBundles = new Map<string, ErrorCode>();
  /** Methods that get no answer. */
  readonly silent = new Set<EnclaveMethod>();
  /** What signing waits for. */
  held: Promise<void> | null = null;
  calls: string[] = [];
  credentialCount = 0;
  /** Its measurements; PCR16 is that of the manifest. */
  readonly image: string;
  genesisValidatorsRoot: Uint8Array | null = new Uint8Array(32);
  privval: () => Result<AnswerOf<(typeof ENCLAVE_METHODS)["privval"]>, Refusal> = () =>
    err(refusal("CHAIN_OTHER"));
  challenge: Uint8Array = Uint8Array.from(randomBytes(32));
  /** What the state was opened with; undefined before. */
  takenHandover: Uint8Array | null | undefined;
  /** Whether a hand-over counts as one. */
  isFloorNeeded = false;
  #handedTo: Uint8Array | null = null;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  readonly #put = new Map<string, Uint8Array>();
  #open: OpenBundle[] = [];
  #server: Server | null = null;

  constructor(path: string, image = "test") {
    this.#path = path;
    this.image = image;
  }

  get path(): string {
    return this.#path;
  }

  get keyCount(): number {
    return this.#open.reduce((count, { keys }) => count + keys.length, 0);
  }

  async listen(): Promise<void> {
    this.#server = await listenOn({ kind: "unix", path: this.#path }, (socket) => {
      this.#sockets.add(socket);
      const answerer = new Answerer(ENCLAVE_METHODS, this.#handlers(), socket, setImmediate);
      socket.on("data", (chunk: Buffer) => {
        if (!answerer.receive(chunk).ok) socket.destroy();
      });
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Cuts every connection; the enclave itself goes on. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    await new Promise((settle) => {
      server.close(settle);
      this.cut();
    });
  }

  /** Another boot: everything is forgotten. */
  async restart(): Promise<void> {
    await this.stop();
    this.phase = "Booting";
    this.bootId = randomBytes(16);
    this.manifestDigest = null;
    this.#open = [];
    this.#put.clear();
    this.calls = [];
    this.challenge = Uint8Array.from(randomBytes(32));
    this.takenHandover = undefined;
    this.#handedTo = null;
    await this.listen();
  }

  openIds(): readonly string[] {
    return this.#open.map(({ id }) => encodeHex(id));
  }

  #handlers(): Handlers<Methods> {
    return {
      status: () => this.#answer("status", () => ok(this.#status())),
      "manifest.put": ({ manifest }) =>
        this.#answer("manifest.put", () => {
          if (this.phase !== "Booting") return err(refusal("PHASE_REFUSED", this.phase));
          this.manifestDigest = createHash("sha384").update(manifest).digest();
          this.phase = "Measured";
          return ok({ digest: this.manifestDigest });
        }),
      "credentials.put": () =>
        this.#answer("credentials.put", () => {
          this.credentialCount += 1;
          return ok({});
        }),
      "bundle.put": ({ name, offset, bytes }) =>
        this.#answer("bundle.put", () => {
          const before = offset === 0 ? new Uint8Array(0) : this.#put.get(name);
          if (before?.length !== offset) return err(refusal("BUNDLE_INCOMPLETE"));
          this.#put.set(name, concatBytes(before, bytes));
          return ok({});
        }),
      "bundle.open": ({ name }) => this.#answer("bundle.open", () => this.#openBundle(name)),
      "bundle.retain": ({ bundleIds }) =>
        this.#answer("bundle.retain", () => {
          const before = this.keyCount;
          const kept = new Set(bundleIds.map(encodeHex));
          this.#open = this.#open.filter(({ id }) => kept.has(encodeHex(id)));
          return ok({ droppedKeyCount: before - this.keyCount });
        }),
      "state.open": ({ handover }) =>
        this.#answer("state.open", () => {
          if (this.phase !== "Unsealed") return err(refusal("PHASE_REFUSED", this.phase));
          this.takenHandover = handover?.slice() ?? null;
          this.phase = "Ready";
          return ok({
            keyCount: this.keyCount,
            recordCount: 0,
            isHandedOver: handover !== null && !this.isFloorNeeded,
          });
        }),
      "state.init": ({ keys }) =>
        this.#answer("state.init", () => ok({ createdCount: keys.length })),
      "state.show": () => this.#answer("state.show", () => ok([])),
      "state.import": () => this.#answer("state.import", () => ok([])),
      privval: () => this.#answer("privval", () => this.privval()),
      "consensus.show": () => this.#answer("consensus.show", () => ok([])),
      "consensus.import": () => this.#answer("consensus.import", () => ok([])),
      "consensus.retire": () => this.#answer("consensus.retire", () => ok([])),
      "consensus.override": () =>
        this.#answer("consensus.override", () => err(refusal("OVERRIDE_DISABLED"))),
      "state.challenge": () =>
        this.#answer("state.challenge", () =>
          this.phase === "Unsealed"
            ? ok({ nonce: this.challenge })
            : err(refusal("PHASE_REFUSED", this.phase)),
        ),
      "state.retire": () => this.#answer("state.retire", () => ok([])),
      "state.override": () =>
        this.#answer("state.override", () => err(refusal("OVERRIDE_DISABLED"))),
      "state.handover": ({ nonce }) =>
        this.#answer("state.handover", () => {
          if (this.phase !== "Draining") return err(refusal("PHASE_REFUSED", this.phase));
          const to = this.#handedTo ?? nonce.slice();
          if (encodeHex(to) !== encodeHex(nonce)) return err(refusal("HANDOVER_GIVEN"));
          this.#handedTo = to;
          return ok({ document: to });
        }),
      "keys.list": ({ offset }) => this.#answer("keys.list", () => ok(this.#page(offset))),
      attest: ({ nonce }) =>
        this.#answer("attest", () => ok({ document: this.#document(nonce ?? new Uint8Array(0)) })),
      sign: ({ body }) => {
        const answer = this.#answer("sign", () => {
          if (this.phase !== "Ready") return err(refusal("PHASE_REFUSED", this.phase));
          return ok({ kind: 1, signature: body });
        });
        return this.held === null ? answer : this.held.then(() => answer);
      },
      drain: () => {
        const answer = this.#answer("drain", () => {
          if (this.phase !== "Ready" && this.phase !== "Draining") {
            return err(refusal("PHASE_REFUSED", this.phase));
          }
          this.phase = "Draining";
          return ok({});
        });
        return this.held === null ? answer : this.held.then(() => answer);
      },
    };
  }

  #answer<Name extends EnclaveMethod>(
    name: Name,
    answer: () => Result<AnswerOf<Methods[Name]>, Refusal>,
  ): Result<AnswerOf<Methods[Name]>, Refusal> | Promise<Result<AnswerOf<Methods[Name]>, Refusal>> {
    if (name !== "status") this.calls.push(name);
    if (this.silent.has(name)) return new Promise(() => {});
    const code = this.failures.get(name)?.shift();
    return code === undefined ? answer() : err(refusal(code));
  }

  #document(nonce: Uint8Array): Uint8Array {
    const manifest = manifestPcr(this.manifestDigest ?? new Uint8Array(48));
    const pcrs = pcrsOf(new Map([...sampleMeasurements(this.image), [16, manifest]]));
    return documentOf({ pcrs, nonce: nonce.slice() });
  }

  #status(): AnswerOf<Methods["status"]> {
    return fakeStatus({
      phase: this.phase,
      bootId: this.bootId,
      manifestDigest: this.manifestDigest,
      bundleIds: this.#open.map(({ id }) => id),
      keyCount: this.keyCount,
      genesisValidatorsRoot: this.genesisValidatorsRoot,
      floor: this.#floor(),
    });
  }

  #floor(): AnswerOf<Methods["status"]>["floor"] {
    if (this.takenHandover === undefined) return null;
    const hasFloor = this.takenHandover === null || this.isFloorNeeded;
    const height = hasFloor ? 7n : 0n;
    return { slot: height, source: height, target: height };
  }

  #openBundle(name: string): Result<AnswerOf<Methods["bundle.open"]>, Refusal> {
    const bytes = this.#put.get(name);
    if (bytes === undefined) return err(refusal("BUNDLE_INCOMPLETE"));
    this.#put.delete(name);
    const bundle = parseBundle(bytes);
    if (!bundle.ok) return bundle;
    const { id, keyCount } = bundle.value.header;
    const bad = this.badBundles.get(encodeHex(id));
    if (bad !== undefined) return err(refusal(bad));
    // The fake bundle's body says which keys it holds: one byte each.
    const keys = [...bundle.value.ciphertext].map((byte) => new Uint8Array(48).fill(byte));
    const held = new Set(this.#open.flatMap((open) => open.keys.map(encodeHex)));
    if (keys.some((key) => held.has(encodeHex(key)))) return err(refusal("KEY_DUPLICATE"));
    this.#open.push({ id: id.slice(), keys });
    if (this.phase === "Measured") this.phase = "Unsealed";
    return ok({ bundleId: id, keyCount });
  }

  #page(offset: number): AnswerOf<Methods["keys.list"]> {
    const keys = this.#open.flatMap((open) => open.keys);
    const page = keys.slice(offset, offset + 2).map((publicKey) => ({ scheme: 1, publicKey }));
    return { totalCount: keys.length, keys: page };
  }
}
