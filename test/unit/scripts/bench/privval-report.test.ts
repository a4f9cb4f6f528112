import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodePrivvalTable,
  figuresOf,
  spreadOf,
} from "../../../../scripts/bench/privval-report.ts";

const SIGNER = { name: "redoubt", version: "1.2.3" };
const BLOCKS = [
  { signMs: [1, 2, 3], pingMs: [0.5], cpuMs: 6 },
  { signMs: [4], pingMs: [0.25, 0.75], cpuMs: 2 },
];

test("figuresOf joins the blocks of a signer", () => {
  assert.deepEqual(figuresOf(SIGNER, BLOCKS), {
    signer: "redoubt",
    version: "1.2.3",
    count: 4,
    p50Ms: 2,
    p90Ms: 3,
    p99Ms: 3,
    maxMs: 4,
    signaturesPerSecond: 400,
    cpuMicroseconds: 2000,
    pingP50Ms: 0.5,
  });
});

test("encodePrivvalTable has a line for each signer, and says where a disk is none", () => {
  const fsync = spreadOf([0.1, 0.2]);
  const load = { pauseMs: 0, signers: [figuresOf(SIGNER, BLOCKS)], fsync };
  const onDisk = encodePrivvalTable({ loads: [load], tableDelayMs: 25, isInMemory: false });
  assert.match(onDisk, /^redoubt 1\.2\.3 +4 +2\.00 +3\.00 +3\.00 +4\.00 +400 +2000 +0\.50$/m);
  assert.doesNotMatch(onDisk, /memory/);
  assert.match(
    encodePrivvalTable({ loads: [load], tableDelayMs: null, isInMemory: true }),
    /memory/,
  );
});
