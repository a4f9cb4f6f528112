import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ImageError } from "../../../../scripts/image/image-error.ts";
import { readTar } from "../../../../scripts/image/tar.ts";
import { tarOf } from "./tar-file.ts";

function paxRecord(name: string, value: string): string {
  const rest = ` ${name}=${value}\n`;
  const length = rest.length + 2;
  return `${length}${rest}`;
}

describe("readTar", () => {
  it("gives files with their content and whether they may be executed", () => {
    const tar = readTar(
      tarOf({ name: "./a", content: "A" }, { name: "bin/b", content: "B", mode: "0000755" }),
    );
    assert.deepEqual([...tar.keys()], ["a", "bin/b"]);
    const b = tar.get("bin/b");
    assert.ok(b?.kind === "file" && b.isExecutable);
    assert.equal(Buffer.from(b.content).toString(), "B");
  });

  it("leaves folders out and keeps links", () => {
    const tar = readTar(tarOf({ name: "d/", type: "5" }, { name: "l", type: "2", target: "d/x" }));
    assert.deepEqual([...tar.values()], [{ kind: "link", path: "l", target: "d/x" }]);
  });

  it("takes a hard link for the file that it names", () => {
    const tar = readTar(
      tarOf({ name: "a", content: "A" }, { name: "b", type: "1", target: "./a" }),
    );
    const b = tar.get("b");
    assert.ok(b?.kind === "file" && b.path === "b");
    assert.equal(Buffer.from(b.content).toString(), "A");
  });

  it("understands long names: in two fields, of GNU and of pax", () => {
    const long = `${"x".repeat(120)}/file`;
    const tar = readTar(
      tarOf(
        { name: "file", prefix: "prefix" },
        { name: "././@LongLink", type: "L", content: `${long}\0` },
        { name: "short" },
        { name: "pax", type: "x", content: paxRecord("path", "from/pax") },
        { name: "other" },
        { name: "plain" },
      ),
    );
    assert.deepEqual([...tar.keys()], ["prefix/file", long, "from/pax", "plain"]);
  });

  it("takes a long target for one link only", () => {
    const tar = readTar(
      tarOf(
        { name: "././@LongLink", type: "K", content: "far/away\0" },
        { name: "a", type: "2", target: "cut" },
        { name: "b", type: "2", target: "near" },
      ),
    );
    const targets = [...tar.values()].map((entry) => entry.kind === "link" && entry.target);
    assert.deepEqual(targets, ["far/away", "near"]);
  });

  const wrong: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", Buffer.alloc(0)],
    ["an archive without its end", tarOf({ name: "a" }).subarray(0, 512)],
    ["content that is cut off", tarOf({ name: "a", content: "A" }).subarray(0, 600)],
    ["the same file twice", tarOf({ name: "a" }, { name: "./a" })],
    ["an absolute path", tarOf({ name: "/a" })],
    ["a path that leaves the archive", tarOf({ name: "a/../../b" })],
    ["a device", tarOf({ name: "a", type: "3" })],
    ["a hard link to nothing", tarOf({ name: "a", type: "1", target: "b" })],
    ["a wrong checksum", Buffer.concat([Buffer.from("b"), tarOf({ name: "a" }).subarray(1)])],
  ];
  for (const [name, bytes] of wrong) {
    it(`refuses ${name}`, () => {
      assert.throws(() => readTar(bytes), ImageError);
    });
  }
});
