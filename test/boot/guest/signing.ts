// What a validator and an auditor get from the signer in the guest, over HTTPS with mTLS:
// signatures that verify, refusals of what could be slashed, a document that states image and
// manifest.

import assert from "node:assert/strict";
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { PublicKey, Signature, verify } from "@chainsafe/blst";
import { parseEthereumRequest } from "../../../enclave/core/chains/ethereum/request.ts";
import { slotAt } from "../../../enclave/core/chains/ethereum/time-bound.ts";
import { LOCAL_IMAGE, sampleMeasurements } from "../../../scripts/local/nsm-simulator.ts";
import { requestNetworkOf } from "../../../scripts/local/request-network.ts";
import {
  attestationRequest,
  blockRequest,
  sampleRequests,
} from "../../../scripts/local/requests.ts";
import { type HttpAnswer, textOf } from "../../../scripts/local/sign-client.ts";
import { MANIFEST_PCR_INDEX, manifestPcr } from "../../../shared/attestation/pcr.ts";
import { verifyAttestation } from "../../../shared/attestation/verify.ts";
import { parsePrefixedHex } from "../../../shared/bytes/hex.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { hypervisorTimeMs } from "./hypervisor-time.ts";
import { check, until } from "./report.ts";
import { type GuestSigner, layout } from "./signer.ts";

const FLOOR_DEADLINE_MS = 120_000;
const DOCUMENT_AGE_MS_MAX = 60_000;
const LANE_COUNT = 16;
const LANE_REQUEST_COUNT = 20;

/** Waits until a vote for the present slot is signed; answers which, and the refusals before it. */
export async function signFirstVote(
  signer: GuestSigner,
  publicKey: string,
): Promise<{ readonly slot: number; readonly refusals: ReadonlySet<string> }> {
  const refusals = new Set<string>();
  const slot = await until("for the boot floor to pass", FLOOR_DEADLINE_MS, async () => {
    const present = presentSlot(signer);
    const answer = await signer.client.sign(
      publicKey,
      attestationRequest(networkAt(signer, present), present),
    );
    const code = textOf(answer.body, "code");
    if (answer.status === 200) return present;
    if (!code.startsWith("GUARD_")) throw new Error(`refused: ${answer.text}`);
    if (code === "GUARD_BOOT_FLOOR") assert.match(textOf(answer.body, "slotFrom"), /^\d+$/);
    refusals.add(code);
    return null;
  });
  return { slot, refusals };
}

export async function checkSigning(signer: GuestSigner, publicKey: string): Promise<void> {
  let slot = 0;
  const hasVoted = await check(
    "the first vote waits for the boot floor and is signed",
    async () => {
      const first = await signFirstVote(signer, publicKey);
      ({ slot } = first);
      assert.ok(first.refusals.has("GUARD_BOOT_FLOOR"), [...first.refusals].join());
    },
  );
  if (!hasVoted) return;
  const network = networkAt(signer, slot);
  await checkSigned(signer, publicKey, "an attestation", attestationRequest(network, slot));
  await checkSigned(signer, publicKey, "a block", blockRequest(network, slot));
  const vote = attestationRequest(network, slot, 1);
  await checkRefused(signer, publicKey, "a second vote for one target", vote, "GUARD_VOTE_DOUBLE");
  const block = blockRequest(network, slot, 1);
  await checkRefused(signer, publicKey, "a second block", block, "GUARD_BLOCK_DOUBLE");
  await checkBurst(signer, publicKey, slot);
}

async function checkSigned(
  signer: GuestSigner,
  publicKey: string,
  what: string,
  body: Record<string, unknown>,
): Promise<void> {
  await check(`${what} is signed over mTLS and vsock, and the signature verifies`, async () => {
    const answer = await signer.client.sign(publicKey, body);
    assert.equal(answer.status, 200, answer.text);
    assertSignature(signer, publicKey, body, answer);
    const again = await signer.client.sign(publicKey, body);
    assert.deepEqual(again.body, answer.body);
  });
}

function assertSignature(
  signer: GuestSigner,
  publicKey: string,
  body: Record<string, unknown>,
  answer: HttpAnswer,
): void {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const parsed = parseEthereumRequest(signer.manifest.ethereum.network, "web3signer", bytes);
  const key = parsePrefixedHex(publicKey, 48);
  const signature = parsePrefixedHex(textOf(answer.body, "signature"), 96);
  assert.ok(parsed.ok && key.ok && signature.ok, answer.text);
  const { signingRoot } = parsed.value;
  const isRight = verify(
    signingRoot,
    PublicKey.fromBytes(key.value, true),
    Signature.fromBytes(signature.value, true),
  );
  assert.ok(isRight, "the signature is another one's");
}

async function checkRefused(
  signer: GuestSigner,
  publicKey: string,
  what: string,
  body: Record<string, unknown>,
  code: ErrorCode,
): Promise<void> {
  await check(`${what} is refused: ${code}`, async () => {
    const answer = await signer.client.sign(publicKey, body);
    assert.equal(answer.status, 412, answer.text);
    assert.equal(textOf(answer.body, "code"), code);
  });
}

async function checkBurst(signer: GuestSigner, publicKey: string, slot: number): Promise<void> {
  const count = LANE_COUNT * LANE_REQUEST_COUNT;
  await check(`${count} requests, ${LANE_COUNT} in flight at once, are all signed`, async () => {
    const samples = sampleRequests(networkAt(signer, slot), slot, publicKey);
    const selection = samples.find(({ kind }) => kind === "AGGREGATION_SLOT");
    assert.ok(selection !== undefined);
    const lane = async () => {
      for (let index = 0; index < LANE_REQUEST_COUNT; index++) {
        const answer = await signer.client.sign(publicKey, selection.body);
        assert.equal(answer.status, 200, answer.text);
      }
    };
    await Promise.all(Array.from({ length: LANE_COUNT }, lane));
  });
}

export async function checkAttestation(signer: GuestSigner): Promise<void> {
  await check("the attestation document verifies, with image, manifest and nonce", async () => {
    const nonce = randomBytes(32);
    const answer = await signer.client.send("GET", `/attestation?nonce=${nonce.toString("hex")}`);
    assert.equal(answer.status, 200, answer.text);
    const document = Buffer.from(textOf(answer.body, "document"), "base64");
    const manifest = readFileSync(layout.manifest);
    const image = sampleMeasurements(LOCAL_IMAGE);
    const digest = createHash("sha384").update(manifest).digest();
    const verified = verifyAttestation(document, {
      rootDer: new X509Certificate(readFileSync(layout.nsmRoot)).raw,
      atMs: hypervisorTimeMs(),
      pcrs: new Map([...image, [MANIFEST_PCR_INDEX, manifestPcr(digest)]]),
      nonce,
      allowDebug: false,
      ageMsMax: DOCUMENT_AGE_MS_MAX,
      futureSkewMsMax: 1000,
    });
    assert.ok(verified.ok, verified.ok ? "" : verified.error.code);
    assert.deepEqual(Buffer.from(textOf(answer.body, "manifest"), "base64"), manifest);
  });
}

function presentSlot(signer: GuestSigner): number {
  return Number(slotAt(signer.manifest.ethereum.network, hypervisorTimeMs()));
}

function networkAt(signer: GuestSigner, slot: number) {
  return requestNetworkOf(signer.manifest.ethereum.network, slot);
}
