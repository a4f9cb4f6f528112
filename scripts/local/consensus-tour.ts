// `npm start -- --chain tendermint --once`: what a validator's nodes should see, on the running
// signer: the public key, three heights, the same vote for both nodes, refusals that leave the
// connection as it is, a killed enclave, a manifest that KMS does not know, and the attestation
// document. Each line is a check; the tour fails when one does.

import { verifyEd25519 } from "../../enclave/keys/ed25519.ts";
import { isEqualBytes } from "../../shared/bytes/compare.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import { ERRORS, type ErrorCode } from "../../shared/errors.ts";
import { command as verifyCommand } from "../cli/verify.ts";
import { print } from "./bring-up.ts";
import { canonicalBytes } from "./canonical-message.ts";
import { LOCAL_CHAIN_ID } from "./consensus-setup.ts";
import type { Layout } from "./layout.ts";
import type { PrivvalNode } from "./privval-node.ts";
import {
  encodePubKeyRequest,
  encodeSignProposalRequest,
  encodeSignVoteRequest,
  type NodeVote,
  readRemoteError,
  readSigned,
} from "./privval-request.ts";
import { argumentsOf } from "./program.ts";
import { tamperedManifestOutcome } from "./tampered-manifest.ts";

const RECOVERY_MS = 30_000;
const RETRY_MS = 200;

export type ConsensusTourParts = {
  readonly layout: Layout;
  readonly publicKey: Uint8Array;
  readonly nodes: readonly PrivvalNode[];
  readonly url: string;
  /** Of the enclave that runs now; 0 while none does. */
  readonly enclavePid: () => number;
};

export class ConsensusTour {
  readonly #parts: ConsensusTourParts;
  #failedCount = 0;

  constructor(parts: ConsensusTourParts) {
    this.#parts = parts;
  }

  /** True when every check held. */
  async run(): Promise<boolean> {
    const [node, sentry] = this.#parts.nodes;
    if (node === undefined || sentry === undefined) throw new Error("there are two nodes");
    await this.#checkPublicKey(node);
    // Above whatever was signed in an earlier run on the same folder.
    const first = BigInt(Math.floor(Date.now() / 1000));
    for (let height = first; height < first + 3n; height++) await this.#checkHeight(node, height);
    const last = first + 2n;
    const vote = voteAt(last, "precommit", 1);
    await this.#checkSame(node, sentry, vote);
    const double = "GUARD_STEP_DOUBLE";
    await this.#checkRefused(node, "another block at one step", double, {
      ...vote,
      block: blockOf(2),
    });
    await this.#checkRefused(node, "nothing at one step", double, { ...vote, block: null });
    await this.#checkRefused(
      node,
      "an earlier height",
      "GUARD_HEIGHT_BELOW",
      voteAt(first, "precommit", 1),
    );
    await this.#checkReboot(node, vote);
    await this.#checkRefused(node, "another block after the reboot", double, {
      ...vote,
      block: blockOf(2),
    });
    const outcome = await tamperedManifestOutcome(this.#parts.layout);
    this.#check("a tampered manifest gets no keys", outcome === "KMS_DENIED", outcome);
    await this.#checkAttestation();
    return this.#failedCount === 0;
  }

  async #checkPublicKey(node: PrivvalNode): Promise<void> {
    const answer = await node.ask(encodePubKeyRequest(LOCAL_CHAIN_ID));
    const hex = encodeHex(this.#parts.publicKey);
    this.#check("the public key is told in every version's form", count(answer, hex) === 2, hex);
  }

  async #checkHeight(node: PrivvalNode, height: bigint): Promise<void> {
    const proposal = { height, round: 0, polRound: -1, block: blockOf(1), seconds: height };
    const proposed = await node.ask(encodeSignProposalRequest(LOCAL_CHAIN_ID, proposal));
    const signature = readSigned("proposal", proposed)?.signature ?? new Uint8Array(0);
    const canonical = canonicalBytes({
      chainId: LOCAL_CHAIN_ID,
      ...proposal,
      type: 32n,
      polRound: -1n,
    });
    this.#check(
      `height ${height}: proposal signed`,
      this.#isSigned(canonical, signature),
      shorten(signature),
    );
    for (const type of ["prevote", "precommit"] as const) {
      const vote = voteAt(height, type, 1);
      const answer = await node.ask(encodeSignVoteRequest(LOCAL_CHAIN_ID, vote));
      const signed = readSigned("vote", answer);
      const bytes = canonicalBytes({
        chainId: LOCAL_CHAIN_ID,
        ...vote,
        type: type === "prevote" ? 1n : 2n,
        polRound: null,
      });
      const isExtended =
        (signed?.extensionSignature.length ?? 0) === (type === "precommit" ? 64 : 0);
      const isRight = this.#isSigned(bytes, signed?.signature ?? new Uint8Array(0)) && isExtended;
      this.#check(`height ${height}: ${type} signed`, isRight, shorten(signed?.signature));
    }
  }

  async #checkSame(node: PrivvalNode, sentry: PrivvalNode, vote: NodeVote): Promise<void> {
    const first = readSigned("vote", await node.ask(encodeSignVoteRequest(LOCAL_CHAIN_ID, vote)));
    const late = { ...vote, seconds: vote.seconds + 7n };
    const second = readSigned(
      "vote",
      await sentry.ask(encodeSignVoteRequest(LOCAL_CHAIN_ID, late)),
    );
    const isSame =
      first !== null && second !== null && isEqualBytes(first.signature, second.signature);
    this.#check(
      "the other node gets the same signature for the same vote",
      isSame,
      shorten(second?.signature),
    );
  }

  async #checkRefused(
    node: PrivvalNode,
    what: string,
    code: ErrorCode,
    vote: NodeVote,
  ): Promise<void> {
    const { acceptCount } = node;
    const answer = await node.ask(encodeSignVoteRequest(LOCAL_CHAIN_ID, vote));
    const error = readRemoteError("vote", answer);
    const isMeant = error?.code === ERRORS[code].number;
    const isRefused = isMeant && node.acceptCount === acceptCount;
    this.#check(
      `${what} is refused, and the connection stays`,
      isRefused,
      error?.description ?? "",
    );
  }

  async #checkReboot(node: PrivvalNode, vote: NodeVote): Promise<void> {
    const before = this.#parts.enclavePid();
    // 0 while none runs: that would be our own group of processes.
    if (before <= 0) return this.#check("an enclave runs", false, "none to be killed");
    process.kill(before, "SIGKILL");
    const lateMs = Date.now() + RECOVERY_MS;
    const startMs = Date.now();
    for (;;) {
      const answer = await node.ask(encodeSignVoteRequest(LOCAL_CHAIN_ID, vote));
      const signed = readSigned("vote", answer);
      if (signed !== null || Date.now() > lateMs) {
        const tookMs = Date.now() - startMs;
        this.#check(
          "a killed enclave is back, and repeats its vote",
          signed !== null,
          `signed after ${tookMs} ms`,
        );
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #checkAttestation(): Promise<void> {
    const { url } = this.#parts;
    const { nsmRoot, clientCertificate, clientKey, caCertificate } = this.#parts.layout;
    print(`     redoubt verify ${url} --root ${nsmRoot} ...`);
    const exitCode = await verifyCommand.run([
      url,
      ...argumentsOf({ root: nsmRoot, cert: clientCertificate, key: clientKey, ca: caCertificate }),
    ]);
    this.#check("the attestation document verifies", exitCode === 0, `exit ${exitCode}`);
  }

  #isSigned(bytes: Uint8Array, signature: Uint8Array): boolean {
    return verifyEd25519(this.#parts.publicKey, bytes, signature);
  }

  #check(what: string, isRight: boolean, detail: string): void {
    if (!isRight) this.#failedCount += 1;
    print(`${isRight ? "ok  " : "FAIL"} ${what}: ${detail}`);
  }
}

function blockOf(number: number): { readonly hash: Uint8Array; readonly total: number } {
  return { hash: new Uint8Array(32).fill(number), total: 1 };
}

function voteAt(height: bigint, type: NodeVote["type"], block: number): NodeVote {
  return { type, height, round: 0, block: blockOf(block), seconds: height };
}

function count(bytes: Uint8Array, hex: string): number {
  return encodeHex(bytes).split(hex).length - 1;
}

function shorten(signature: Uint8Array | undefined): string {
  return `${encodeHex(signature ?? new Uint8Array(0)).slice(0, 32)}…`;
}
