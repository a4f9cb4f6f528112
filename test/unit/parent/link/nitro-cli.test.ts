import assert from "node:assert/strict";
import { test } from "node:test";
import { listEnclaves, parseEnclaveList } from "../../../../parent/link/nitro-cli.ts";
import { FakeNitroCli, listedEnclave } from "../../../fakes/fake-nitro-cli.ts";

const LONG_MS = 60_000;

function without(name: string): object {
  return Object.fromEntries(Object.entries(listedEnclave()).filter(([key]) => key !== name));
}

test("parseEnclaveList reads what nitro-cli prints, and leaves out what is not ours", () => {
  const text = JSON.stringify([
    listedEnclave(),
    listedEnclave({ EnclaveName: "other", EnclaveCID: 17, Flags: "DEBUG_MODE" }),
    // The CID of one that ends may be another's already.
    { ...without("EnclaveName"), EnclaveCID: 17, State: "TERMINATING" },
  ]);
  const list = parseEnclaveList(`${text}\n`);
  assert.ok(list.ok);
  const id = "i-0123456789abcdef0-enc0190f4c3a1b2c3d";
  assert.deepEqual(list.value, [
    { name: "redoubt", id, cid: 16, isRunning: true, isConsoleOpen: false },
    { name: "other", id, cid: 17, isRunning: true, isConsoleOpen: true },
    { name: null, id, cid: 17, isRunning: false, isConsoleOpen: false },
  ]);
});

test("parseEnclaveList takes the empty list and the limits of a CID", () => {
  assert.deepEqual(parseEnclaveList("[]"), { ok: true, value: [] });
  for (const EnclaveCID of [4, 0xffff_fffe]) {
    assert.ok(parseEnclaveList(JSON.stringify([listedEnclave({ EnclaveCID })])).ok);
  }
});

const MALFORMED: readonly (readonly [what: string, text: string])[] = [
  ["nothing", ""],
  ["no JSON", "[ E36 ] Enclave process connection failure"],
  ["JSON with a line before it", `Failed connections: 1\n${JSON.stringify([listedEnclave()])}`],
  ["an object", JSON.stringify(listedEnclave())],
  ["a list of something else", JSON.stringify([1])],
  ["an enclave without an id", JSON.stringify([without("EnclaveID")])],
  ["an enclave without a CID", JSON.stringify([without("EnclaveCID")])],
  ["an enclave without a state", JSON.stringify([without("State")])],
  ["an enclave without flags", JSON.stringify([without("Flags")])],
  ["a CID as text", JSON.stringify([listedEnclave({ EnclaveCID: "16" })])],
  ["a CID that is a fraction", JSON.stringify([listedEnclave({ EnclaveCID: 16.5 })])],
  ["this instance's own CID", JSON.stringify([listedEnclave({ EnclaveCID: 3 })])],
  ["the CID that means any", JSON.stringify([listedEnclave({ EnclaveCID: 0xffff_ffff })])],
  ["an unknown state", JSON.stringify([listedEnclave({ State: "PAUSED" })])],
  ["an unknown flag", JSON.stringify([listedEnclave({ Flags: "NONE|OTHER" })])],
  ["an empty name", JSON.stringify([listedEnclave({ EnclaveName: "" })])],
  ["one good and one bad", JSON.stringify([listedEnclave(), {}])],
  [
    "two running with one CID",
    JSON.stringify([listedEnclave(), listedEnclave({ EnclaveName: "other" })]),
  ],
  [
    "more than can run",
    JSON.stringify(Array.from({ length: 17 }, (_, i) => listedEnclave({ EnclaveCID: 16 + i }))),
  ],
];

for (const [what, text] of MALFORMED) {
  test(`parseEnclaveList refuses ${what}`, () => {
    const list = parseEnclaveList(text);
    assert.equal(list.ok ? "taken" : list.error.code, "NITRO_CLI_MALFORMED");
  });
}

test("listEnclaves runs the program with one argument, no input, no folder and no environment of ours", async (context) => {
  const cli = new FakeNitroCli();
  context.after(() => cli.remove());
  cli.answer([listedEnclave()]);
  const list = await listEnclaves(cli.path, LONG_MS);
  assert.ok(list.ok);
  assert.equal(list.value[0]?.cid, 16);
  process.env["REDOUBT_TEST_SECRET"] = "secret";
  context.after(() => delete process.env["REDOUBT_TEST_SECRET"]);
  cli.script(
    '[ -z "$REDOUBT_TEST_SECRET" ] || exit 8\n[ "$(pwd)" = / ] || exit 7\ncat\necho "[]"\n',
  );
  assert.deepEqual(await listEnclaves(cli.path, LONG_MS), { ok: true, value: [] });
});

const FAILURES: readonly (readonly [
  what: string,
  script: string,
  code: string,
  detail?: string,
])[] = [
  ["fails, whatever it printed", 'echo "[]"; exit 36\n', "NITRO_CLI_FAILED", "exit 36"],
  ["is killed", "kill -SEGV $$\n", "NITRO_CLI_FAILED", "signal SIGSEGV"],
  [
    "does not stop printing",
    "while :; do echo '[0123456789012345678901234567890123456789]'; done\n",
    "NITRO_CLI_FAILED",
    "ERR_CHILD_PROCESS_STDIO_MAXBUFFER",
  ],
  [
    "does not stop complaining",
    "while :; do echo 'Failed connections: 1' >&2; done\n",
    "NITRO_CLI_FAILED",
    "ERR_CHILD_PROCESS_STDIO_MAXBUFFER",
  ],
  [
    "prints more than any list",
    "printf '[%65536s]' ''\n",
    "NITRO_CLI_FAILED",
    "ERR_CHILD_PROCESS_STDIO_MAXBUFFER",
  ],
  ["prints garbage", "echo garbage\n", "NITRO_CLI_MALFORMED"],
  ["prints nothing", "exit 0\n", "NITRO_CLI_MALFORMED"],
];

for (const [what, script, code, detail] of FAILURES) {
  test(`listEnclaves answers ${code} when the program ${what}`, async (context) => {
    const cli = new FakeNitroCli();
    context.after(() => cli.remove());
    cli.script(script);
    const list = await listEnclaves(cli.path, LONG_MS);
    assert.ok(!list.ok);
    assert.deepEqual([list.error.code, list.error.detail?.[0]], [code, detail]);
  });
}

test("listEnclaves answers NITRO_CLI_FAILED when there is no such program", async () => {
  const list = await listEnclaves("/nonexistent/nitro-cli", LONG_MS);
  assert.ok(!list.ok);
  assert.deepEqual(list.error, { code: "NITRO_CLI_FAILED", detail: ["ENOENT"] });
});

test("listEnclaves answers NITRO_CLI_FAILED when the system can't even try to start it", async (context) => {
  const cli = new FakeNitroCli();
  context.after(() => cli.remove());
  cli.answer([]);
  for (const [program, code] of [
    [`${cli.path}/nitro-cli`, "ENOTDIR"],
    [`/${"a".repeat(300)}`, "ENAMETOOLONG"],
  ] as const) {
    const list = await listEnclaves(program, 1);
    assert.ok(!list.ok);
    assert.deepEqual(list.error, { code: "NITRO_CLI_FAILED", detail: [code] });
  }
  // Longer than the deadline: nothing may be left that still waits for a program.
  await new Promise((settle) => setTimeout(settle, 20));
});

test("listEnclaves gives up on a program that hangs, and on one that left a child behind", async (context) => {
  const cli = new FakeNitroCli();
  context.after(() => cli.remove());
  for (const script of ["exec sleep 600\n", "sleep 20 &\nexit 0\n"]) {
    cli.script(script);
    const list = await listEnclaves(cli.path, 100);
    assert.ok(!list.ok);
    assert.deepEqual(list.error, { code: "NITRO_CLI_FAILED", detail: ["deadline"] });
  }
});
