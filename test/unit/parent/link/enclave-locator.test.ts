import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  createFixedLocator,
  decideEnclave,
  NitroLocator,
} from "../../../../parent/link/enclave-locator.ts";
import { EnclavePeer } from "../../../../parent/link/enclave-peer.ts";
import type { ListedEnclave } from "../../../../parent/link/nitro-cli.ts";
import { encodeAddress } from "../../../../shared/address.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err, ok } from "../../../../shared/result.ts";
import { FakeNitroCli, listedEnclave } from "../../../fakes/fake-nitro-cli.ts";
import { SilentLog } from "../../../fakes/silent-log.ts";

const RUNNING: ListedEnclave = {
  name: "redoubt",
  id: "i-0-enc0",
  cid: 16,
  isRunning: true,
  isConsoleOpen: false,
};
const OTHER: ListedEnclave = { ...RUNNING, name: "other", cid: 17 };
const ENDING: ListedEnclave = { ...RUNNING, cid: 18, isRunning: false };
const UNNAMED: ListedEnclave = { ...RUNNING, cid: 19, name: null };
const SECOND: ListedEnclave = { ...RUNNING, cid: 20 };

const CASES: readonly (readonly [what: string, list: readonly ListedEnclave[], found: string])[] = [
  ["none", [], "ENCLAVE_ABSENT"],
  ["the one", [RUNNING], "16"],
  ["the one among others", [OTHER, UNNAMED, RUNNING, ENDING], "16"],
  ["only others", [OTHER, UNNAMED], "ENCLAVE_ABSENT"],
  ["one that ends", [ENDING], "ENCLAVE_ABSENT"],
  ["two of the name", [RUNNING, OTHER, SECOND], "ENCLAVE_AMBIGUOUS"],
  ["another case of letters", [{ ...RUNNING, name: "Redoubt" }], "ENCLAVE_ABSENT"],
  ["a name that nitro-cli made unique", [{ ...RUNNING, name: "redoubt_1" }], "ENCLAVE_ABSENT"],
];

for (const [what, list, found] of CASES) {
  test(`decideEnclave answers ${found} to ${what}`, () => {
    const decided = decideEnclave(list, "redoubt");
    assert.equal(decided.ok ? String(decided.value.cid) : decided.error.code, found);
  });
}

test("a fixed vsock address is located at once, and its CID is let in", async () => {
  const seat = new EnclavePeer().takeSeat();
  const address = { kind: "vsock", cid: 42, port: 8000 } as const;
  const locator = createFixedLocator(address, seat);
  assert.equal(seat.cid, 42);
  assert.deepEqual(await locator.locate(), ok(address));
});

test("a fixed address that is not vsock lets no CID in", () => {
  const seat = new EnclavePeer().takeSeat();
  createFixedLocator({ kind: "unix", path: "/run/x.sock" }, seat);
  assert.equal(seat.cid, null);
});

class Bench {
  readonly seat = new EnclavePeer().takeSeat();
  readonly log = new SilentLog();
  readonly locator: NitroLocator;
  list: readonly ListedEnclave[] | null = [];
  nowMs = 0;
  runCount = 0;

  constructor() {
    this.locator = new NitroLocator({
      name: "redoubt",
      cliPath: "/nonexistent",
      seat: this.seat,
      log: this.log,
      nowMs: () => this.nowMs,
      list: () => {
        this.runCount += 1;
        const { list } = this;
        return Promise.resolve(
          list === null ? err(refusal("NITRO_CLI_FAILED", "exit 1")) : ok(list),
        );
      },
    });
  }

  async locate(): Promise<string> {
    const located = await this.locator.locate();
    return located.ok ? encodeAddress(located.value) : located.error.code;
  }

  /** Later than the longest time between two runs. */
  later(): void {
    this.nowMs += 30_000;
  }

  events(): readonly string[] {
    return this.log.lines.map(({ event, fields }) =>
      [event, fields.address ?? fields.code].join(" "),
    );
  }
}

test("the locator follows an enclave that comes back with another CID", async () => {
  const bench = new Bench();
  bench.list = [RUNNING];
  assert.equal(await bench.locate(), "vsock://16:8000");
  assert.equal(bench.seat.cid, 16);
  bench.later();
  bench.list = [];
  assert.equal(await bench.locate(), "ENCLAVE_ABSENT");
  assert.equal(bench.seat.cid, null, "nobody has the CID of an enclave that is gone");
  bench.later();
  bench.list = [SECOND];
  assert.equal(await bench.locate(), "vsock://20:8000");
  assert.equal(bench.seat.cid, 20);
  assert.deepEqual(bench.events(), [
    "enclave.located vsock://16:8000",
    "enclave.not-located ENCLAVE_ABSENT",
    "enclave.located vsock://20:8000",
  ]);
});

test("the locator does not run nitro-cli more than once a second", async () => {
  const bench = new Bench();
  bench.list = [RUNNING];
  for (const atMs of [0, 50, 999]) {
    bench.nowMs = atMs;
    assert.equal(await bench.locate(), "vsock://16:8000");
  }
  assert.equal(bench.runCount, 1);
  bench.nowMs = 1000;
  await bench.locate();
  assert.equal(bench.runCount, 2);
  bench.later();
  bench.list = [];
  assert.equal(await bench.locate(), "ENCLAVE_ABSENT");
  assert.equal(await bench.locate(), "ENCLAVE_ABSENT");
  assert.equal(bench.runCount, 3, "a failure is not asked for again at once either");
});

test("the locator keeps the peer when nitro-cli fails, and lets nobody in when two have the name", async () => {
  const bench = new Bench();
  bench.list = [RUNNING];
  await bench.locate();
  bench.later();
  bench.list = null;
  assert.equal(await bench.locate(), "NITRO_CLI_FAILED");
  assert.equal(bench.seat.cid, 16);
  bench.later();
  bench.list = [RUNNING, SECOND];
  assert.equal(await bench.locate(), "ENCLAVE_AMBIGUOUS");
  assert.equal(bench.seat.cid, null);
});

test("the locator says a failure once, with its reason, and the same address once", async () => {
  const bench = new Bench();
  bench.list = null;
  for (let count = 0; count < 3; count++) {
    await bench.locate();
    bench.later();
  }
  const failures = bench.log.lines;
  assert.deepEqual(failures, [
    {
      level: "warn",
      event: "enclave.not-located",
      fields: { code: "NITRO_CLI_FAILED", reason: "exit 1" },
    },
  ]);
  bench.list = [RUNNING];
  for (let count = 0; count < 3; count++) {
    await bench.locate();
    bench.later();
  }
  assert.equal(bench.log.lines.length, 2);
});

test("the locator warns of debug mode once for each enclave, also when the CID is the old one", async () => {
  const bench = new Bench();
  for (const id of ["i-0-enc0", "i-0-enc1"]) {
    bench.list = [{ ...RUNNING, id, isConsoleOpen: true }];
    for (let count = 0; count < 3; count++) {
      assert.equal(await bench.locate(), "vsock://16:8000");
      bench.later();
    }
  }
  const once = ["enclave.debug-mode vsock://16:8000", "enclave.located vsock://16:8000"];
  assert.deepEqual(bench.events(), [...once, ...once]);
});

test("an hour of a nitro-cli that fails is few runs, and what comes after it is found at once", async () => {
  const bench = new Bench();
  bench.list = null;
  for (; bench.nowMs < 3_600_000; bench.nowMs += 500) await bench.locate();
  // At most one run in half of the longest wait, and those at first.
  assert.ok(bench.runCount <= 3600 / 15 + 10, String(bench.runCount));
  assert.equal(bench.log.lines.length, 1);
  bench.later();
  bench.list = [];
  await bench.locate();
  bench.list = [RUNNING];
  bench.nowMs += 1000;
  assert.equal(await bench.locate(), "vsock://16:8000");
});

test("a success ends the waiting that failures have made longer, and is forgotten by the next", async () => {
  const bench = new Bench();
  for (const _round of [1, 2]) {
    bench.list = null;
    for (let count = 0; count < 8; count++) {
      await bench.locate();
      bench.later();
    }
    bench.list = [RUNNING];
    await bench.locate();
    bench.nowMs += 1000;
    bench.list = null;
    const { runCount } = bench;
    await bench.locate();
    // The first failure after it: no longer than the first of all.
    bench.nowMs += 2000;
    await bench.locate();
    assert.equal(bench.runCount, runCount + 2);
    bench.later();
  }
  const [failed, located] = [
    "enclave.not-located NITRO_CLI_FAILED",
    "enclave.located vsock://16:8000",
  ];
  assert.deepEqual(bench.events(), [failed, located, failed, located, failed]);
});

async function locateWith(context: TestContext, enclaves: readonly object[]): Promise<string> {
  const cli = new FakeNitroCli();
  context.after(() => cli.remove());
  cli.answer(enclaves);
  const seat = new EnclavePeer().takeSeat();
  const log = new SilentLog();
  const locator = new NitroLocator({ name: "redoubt", cliPath: cli.path, seat, log });
  const located = await locator.locate();
  return located.ok ? encodeAddress(located.value) : located.error.code;
}

test("the locator runs the program that the configuration names", async (context) => {
  assert.equal(await locateWith(context, [listedEnclave()]), "vsock://16:8000");
  assert.equal(await locateWith(context, []), "ENCLAVE_ABSENT");
  const two = [listedEnclave(), listedEnclave({ EnclaveCID: 17 })];
  assert.equal(await locateWith(context, two), "ENCLAVE_AMBIGUOUS");
  assert.equal(
    await locateWith(context, [listedEnclave({ State: "TERMINATING" })]),
    "ENCLAVE_ABSENT",
  );
  assert.equal(await locateWith(context, [{}]), "NITRO_CLI_MALFORMED");
});

test("the locator sees through the program that an enclave was started again", async (context) => {
  const cli = new FakeNitroCli();
  context.after(() => cli.remove());
  const seat = new EnclavePeer().takeSeat();
  let nowMs = 0;
  const options = { name: "redoubt", cliPath: cli.path, seat, log: new SilentLog() };
  const locator = new NitroLocator({ ...options, nowMs: () => nowMs });
  const seen: string[] = [];
  for (const answer of [
    () => cli.answer([listedEnclave({ EnclaveCID: 16 })]),
    () => cli.answer([listedEnclave({ EnclaveCID: 16, State: "TERMINATING" })]),
    () => cli.script("exit 39\n"),
    () => cli.answer([listedEnclave({ EnclaveCID: 29, Flags: "DEBUG_MODE" })]),
    () => cli.answer([listedEnclave({ EnclaveCID: 30 })]),
  ]) {
    answer();
    const located = await locator.locate();
    seen.push(`${located.ok ? encodeAddress(located.value) : located.error.code} ${seat.cid}`);
    nowMs += 2000;
  }
  assert.deepEqual(seen, [
    "vsock://16:8000 16",
    "ENCLAVE_ABSENT null",
    "NITRO_CLI_FAILED null",
    "vsock://29:8000 29",
    "vsock://30:8000 30",
  ]);
});
