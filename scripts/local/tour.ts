// `npm start -- --once`: what a user should see work, on the running signer and from outside: one
// signature of each kind, a refused double vote and double block, a manifest that KMS does not
// know, and the attestation document. Each line is a check; the tour fails when one does.

import { PublicKey, Signature, verify } from "@chainsafe/blst";
import { parseEthereumRequest } from "../../enclave/core/chains/ethereum/request.ts";
import { slotAt } from "../../enclave/core/chains/ethereum/time-bound.ts";
import type { EthereumManifest } from "../../enclave/core/manifest.ts";
import { parsePrefixedHex } from "../../shared/bytes/hex.ts";
import { command as verifyCommand } from "../cli/verify.ts";
import type { Layout } from "./layout.ts";
import { argumentsOf } from "./program.ts";
import { requestNetworkOf } from "./request-network.ts";
import {
  attestationRequest,
  blockRequest,
  type SampleRequest,
  sampleRequests,
} from "./requests.ts";
import { type SignClient, textOf } from "./sign-client.ts";
import { tamperedManifestOutcome } from "./tampered-manifest.ts";

export type Print = (line: string) => void;

const RETRY_MS = 500;

export class Tour {
  readonly #layout: Layout;
  readonly #manifest: EthereumManifest;
  readonly #client: SignClient;
  readonly #url: string;
  readonly #print: Print;
  #failedCount = 0;

  constructor(
    layout: Layout,
    manifest: EthereumManifest,
    client: SignClient,
    url: string,
    print: Print,
  ) {
    this.#layout = layout;
    this.#manifest = manifest;
    this.#client = client;
    this.#url = url;
    this.#print = print;
  }

  /** True when every check held. */
  async run(publicKeys: readonly string[]): Promise<boolean> {
    const [publicKey] = publicKeys;
    if (publicKey === undefined) throw new Error("there is no key to sign with");
    const slot = await this.#awaitFirstVote(publicKey);
    const network = requestNetworkOf(this.#manifest.ethereum.network, slot);
    for (const request of sampleRequests(network, slot, publicKey)) {
      await this.#checkSigned(publicKey, request);
    }
    const doubleVote = attestationRequest(network, slot, 1);
    await this.#checkRefused(
      "a second vote for one target",
      publicKey,
      doubleVote,
      "GUARD_VOTE_DOUBLE",
    );
    const doubleBlock = blockRequest(network, slot, 1);
    await this.#checkRefused(
      "a second block for one slot",
      publicKey,
      doubleBlock,
      "GUARD_BLOCK_DOUBLE",
    );
    const outcome = await tamperedManifestOutcome(this.#layout);
    this.#check("a tampered manifest gets no keys", outcome === "KMS_DENIED", outcome);
    await this.#checkAttestation();
    return this.#failedCount === 0;
  }

  /**
   * Waits until the floor of this boot has passed, and for a target that was not voted for before
   * it, saying what it waits for. Answers the slot of the vote that was signed then: what is asked
   * for it afterwards repeats that vote.
   */
  async #awaitFirstVote(publicKey: string): Promise<number> {
    let said = "";
    for (;;) {
      const slot = Number(slotAt(this.#manifest.ethereum.network, Date.now()));
      const network = requestNetworkOf(this.#manifest.ethereum.network, slot);
      const answer = await this.#client.sign(publicKey, attestationRequest(network, slot));
      const code = textOf(answer.body, "code");
      if (!code.startsWith("GUARD_")) return slot;
      const what =
        code === "GUARD_BOOT_FLOOR"
          ? `for the boot floor: signs from slot ${textOf(answer.body, "slotFrom")}, ` +
            `epoch ${textOf(answer.body, "targetFrom")} on`
          : "for the next epoch: this key has voted in the present one";
      if (what !== said) this.#print(`     waiting ${what}`);
      said = what;
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_MS);
      });
    }
  }

  async #checkSigned(publicKey: string, request: SampleRequest): Promise<void> {
    const body = new TextEncoder().encode(JSON.stringify(request.body));
    const parsed = parseEthereumRequest(this.#manifest.ethereum.network, "web3signer", body);
    if (!parsed.ok) {
      // A kind that the fork of this network does not have yet.
      const isTooEarly =
        parsed.error.code === "FORK_MISMATCH" || parsed.error.code === "REQUEST_MALFORMED";
      this.#print(`${isTooEarly ? "n/a " : "FAIL"} ${request.kind}: ${parsed.error.code}`);
      if (!isTooEarly) this.#failedCount += 1;
      return;
    }
    const answer = await this.#client.sign(publicKey, request.body);
    const signature = parsePrefixedHex(textOf(answer.body, "signature"), 96);
    const key = parsePrefixedHex(publicKey, 48);
    const isRight =
      answer.status === 200 &&
      signature.ok &&
      key.ok &&
      isSignatureOf(parsed.value.signingRoot, key.value, signature.value);
    this.#check(`${request.kind} signed`, isRight, isRight ? shorten(answer.body) : answer.text);
  }

  async #checkRefused(what: string, publicKey: string, body: unknown, code: string): Promise<void> {
    const answer = await this.#client.sign(publicKey, body);
    const isRefused = answer.status === 412 && textOf(answer.body, "code") === code;
    this.#check(`${what} is refused`, isRefused, answer.text);
  }

  async #checkAttestation(): Promise<void> {
    const { nsmRoot, clientCertificate, clientKey, caCertificate } = this.#layout;
    this.#print(`     redoubt verify ${this.#url} --root ${nsmRoot} ...`);
    const exitCode = await verifyCommand.run([
      this.#url,
      ...argumentsOf({ root: nsmRoot, cert: clientCertificate, key: clientKey, ca: caCertificate }),
    ]);
    this.#check("the attestation document verifies", exitCode === 0, `exit ${exitCode}`);
  }

  #check(what: string, isRight: boolean, detail: string): void {
    if (!isRight) this.#failedCount += 1;
    this.#print(`${isRight ? "ok  " : "FAIL"} ${what}: ${detail}`);
  }
}

function shorten(body: unknown): string {
  return `${textOf(body, "signature").slice(0, 34)}…`;
}

function isSignatureOf(root: Uint8Array, publicKey: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(root, PublicKey.fromBytes(publicKey, true), Signature.fromBytes(signature, true));
  } catch {
    return false;
  }
}
