import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { parseManifest } from "../../../enclave/core/manifest.ts";
import { manifestPcr } from "../../../shared/attestation/pcr.ts";
import { blocksOf, leavesOf, rowsOf } from "./page.ts";

const PAGE = "manifest.md";
const examples = blocksOf(PAGE, "json");

function isNamed(leaf: string, names: ReadonlySet<string>): boolean {
  return names.has(leaf) || names.has(leaf.replace("ethereum.network.", ""));
}

test("docs/manifest.md has examples of both families and forms of a network, which parseManifest takes", () => {
  const networks = examples.map((example) => {
    const parsed = parseManifest(new TextEncoder().encode(example));
    assert.ok(parsed.ok, parsed.ok ? "" : String(parsed.error.detail));
    const { value } = parsed;
    if (value.family === "ethereum") return value.ethereum.network.name;
    return value.chains.map(({ chainId }) => chainId).join();
  });
  assert.deepEqual(networks, ["mainnet", "mainnet", "cosmoshub-4,celestia", "devnet-7"]);
});

test("docs/manifest.md describes every field of its examples, and no other", () => {
  const described = new Set(rowsOf(PAGE).map(([name = ""]) => name));
  const leaves = new Set(examples.flatMap((example) => leavesOf(JSON.parse(example))));
  for (const leaf of leaves) assert.ok(isNamed(leaf, described), `${leaf} is not described`);
  for (const name of described) {
    assert.ok(
      leaves.has(name) || leaves.has(`ethereum.network.${name}`),
      `${name} is in no example`,
    );
  }
});

test("docs/manifest.md computes PCR16 as the code does", () => {
  const bytes = new TextEncoder().encode(examples[0]);
  const digest = createHash("sha384").update(bytes).digest();
  const pcr = createHash("sha384").update(new Uint8Array(48)).update(digest).digest();
  assert.deepEqual(new Uint8Array(manifestPcr(digest)), new Uint8Array(pcr));
});
