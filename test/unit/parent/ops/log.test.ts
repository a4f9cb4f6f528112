import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../../../../parent/ops/log.ts";

function capture(level: "error" | "warn" | "info" = "info") {
  const lines: Record<string, unknown>[] = [];
  const write = (text: string): void => {
    const line: unknown = JSON.parse(text);
    assert.ok(typeof line === "object");
    lines.push({ ...line });
  };
  const log = createLog(level, { write });
  return { log, lines };
}

test("createLog writes one JSON line with the event, its level and its fields", () => {
  const { log, lines } = capture();
  log.warn("request.refused", { code: "KEY_UNKNOWN", status: 404 });
  assert.equal(lines.length, 1);
  const { time, ...rest } = lines[0] ?? {};
  assert.equal(typeof time, "string");
  const expected = { level: "warn", event: "request.refused", code: "KEY_UNKNOWN", status: 404 };
  assert.deepEqual(rest, expected);
});

test("createLog drops fields that are not listed, and values that are no text or number", () => {
  const { log, lines } = capture();
  const fields = { code: "KEY_UNKNOWN", secret: "s3cr3t", path: { toString: () => "s3cr3t" } };
  const loose: object = fields;
  log.info("event", loose);
  assert.equal(JSON.stringify(lines).includes("s3cr3t"), false);
  assert.deepEqual(Object.keys(lines[0] ?? {}).sort(), ["code", "event", "level", "time"]);
});

test("createLog cuts a long text", () => {
  const { log, lines } = capture();
  log.info("event", { reason: "x".repeat(10_000) });
  assert.equal(lines[0]?.["reason"], "x".repeat(512));
});

test("createLog keeps to its level", () => {
  const { log, lines } = capture("error");
  log.info("a");
  log.warn("b");
  log.error("c");
  assert.deepEqual(
    lines.map(({ event }) => event),
    ["c"],
  );
});

test("createLog bounds the lines of a second, and says how many it left out", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  const { log, lines } = capture();
  for (let index = 0; index < 520; index++) log.warn("flood");
  assert.equal(lines.length, 500);
  t.mock.timers.tick(1000);
  log.warn("after");
  assert.deepEqual(
    lines.slice(500).map(({ event, count }) => [event, count]),
    [
      ["log.suppressed", 20],
      ["after", undefined],
    ],
  );
});

test("createLog lets no flood of one event hide another, of whichever level", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  const { log, lines } = capture();
  for (let index = 0; index < 5000; index++) log.warn("request.refused");
  log.error("enclave.not-ready");
  log.warn("upgrade.completed");
  log.info("enclave.ready");
  const events = lines.map(({ event }) => event).filter((event) => event !== "request.refused");
  const [said, ...others] = events;
  assert.equal(said, "log.suppressed");
  assert.deepEqual(others, ["enclave.not-ready", "upgrade.completed", "enclave.ready"]);
});
