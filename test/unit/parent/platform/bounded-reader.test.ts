import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { after, test } from "node:test";
import {
  readBoundedFile,
  readBoundedStream,
  TOO_LARGE,
} from "../../../../parent/platform/bounded-reader.ts";

const folder = mkdtempSync(join(tmpdir(), "bounded-"));
after(() => rmSync(folder, { recursive: true }));

function bytesOf(byteCount: number): Buffer {
  return Buffer.from(Array.from({ length: byteCount }, (_, index) => index % 251));
}

/** Its length when it is what was written, else the fault. */
async function outcomeOf(path: string, bytesMax: number): Promise<number | string> {
  const read = await readBoundedFile(path, bytesMax);
  if (!read.ok) return read.error;
  assert.deepEqual(Buffer.from(read.value), bytesOf(read.value.length));
  return read.value.length;
}

test("a file is read up to the bound, and not one byte over", async () => {
  const path = join(folder, "file");
  for (const bytesMax of [1, 100, 4096, 70_000]) {
    for (const [byteCount, expected] of [
      [0, 0],
      [bytesMax - 1, bytesMax - 1],
      [bytesMax, bytesMax],
      [bytesMax + 1, TOO_LARGE],
    ] as const) {
      writeFileSync(path, bytesOf(byteCount));
      assert.equal(await outcomeOf(path, bytesMax), expected, `${byteCount} of ${bytesMax}`);
    }
  }
});

test("a file that does not tell its size is bounded as well", async () => {
  const path = join(folder, "pipe");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  for (const [byteCount, expected] of [
    [0, 0],
    [9999, 9999],
    [10_000, 10_000],
    [10_001, TOO_LARGE],
  ] as const) {
    const reading = outcomeOf(path, 10_000);
    appendFileSync(path, bytesOf(byteCount));
    assert.equal(await reading, expected);
  }
  assert.equal(await outcomeOf("/dev/zero", 100_000), TOO_LARGE);
});

test("a file that can't be read is told by the system's name for it", async () => {
  assert.equal(await outcomeOf(join(folder, "nowhere"), 10), "ENOENT");
  // A folder is larger than some bounds by what it says.
  for (const bytesMax of [1, 100_000]) assert.equal(await outcomeOf(folder, bytesMax), "EISDIR");
});

test("a stream is read up to the bound, and not one byte over", async () => {
  for (const [byteCount, isRead] of [
    [99, true],
    [100, true],
    [101, false],
  ] as const) {
    const bytes = bytesOf(byteCount);
    const chunks = [bytes.subarray(0, 50), bytes.subarray(50)];
    const read = await readBoundedStream(Readable.from(chunks), 100);
    assert.deepEqual(read, isRead ? bytes : null);
  }
});

test("a stream that is cut off is nothing", async () => {
  const stream = new PassThrough();
  stream.write("a");
  const reading = readBoundedStream(stream, 100);
  stream.destroy(new Error("gone"));
  assert.equal(await reading, null);
});
