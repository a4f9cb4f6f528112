// The yardstick: a plain loop of `blst.sign` in one thread, its rate and its CPU time a signature.

import { randomBytes } from "node:crypto";
import { SecretKey } from "@chainsafe/blst";

const durationMs = Number(process.argv[2] ?? 2000);
const key = SecretKey.fromKeygen(randomBytes(32));
const root = randomBytes(32);
for (let index = 0; index < 200; index++) key.sign(root).toBytes();

const cpuBefore = process.cpuUsage();
const startMs = performance.now();
let count = 0;
while (performance.now() - startMs < durationMs) {
  for (let index = 0; index < 16; index++) key.sign(root).toBytes();
  count += 16;
}
const seconds = (performance.now() - startMs) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
process.stdout.write(
  `${JSON.stringify({ perSecond: count / seconds, cpuMicroseconds: (user + system) / count })}\n`,
);
