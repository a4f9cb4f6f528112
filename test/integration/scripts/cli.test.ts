// The command line as an operator meets it: a process, its output and its exit code, against a
// fake admin socket.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { z } from "zod";
import { encodePrefixedHex } from "../../../shared/bytes/hex.ts";
import { COMMIT_COUNT_MAX } from "../../../shared/limits.ts";
import { FakeAdmin, type FakeAdminOptions } from "../../fakes/admin-server.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const NETWORK = new Uint8Array(32).fill(0x4b);
const KEYS = [keyOf(1), keyOf(2), keyOf(3)];

function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(48).fill(0xa0);
  new DataView(key.buffer).setUint32(44, index);
  return key;
}

type Run = { readonly code: number | null; readonly out: string; readonly error: string };

function start(program: string, args: readonly string[], cwd = ROOT): Promise<Run> {
  return new Promise((settle) => {
    const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let error = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (error += chunk.toString()));
    child.on("close", (code) => settle({ code, out, error }));
  });
}

function redoubt(args: readonly string[], cwd = ROOT): Promise<Run> {
  const main = join(ROOT, "scripts/cli/main.ts");
  return start(process.execPath, ["--no-warnings", main, ...args], cwd);
}

/** A script with Node as $0 and our program as $1. */
function shell(script: string): Promise<Run> {
  return start("sh", ["-c", script, process.execPath, join(ROOT, "scripts/cli/main.ts")]);
}

/** Its output goes to a pipe that nobody reads, its exit code to stderr. */
function unread(args: string): Promise<Run> {
  return shell(`{ "$0" --no-warnings "$1" ${args}; echo $? >&2; } | true`);
}

async function withAdmin(
  options: Partial<FakeAdminOptions>,
  run: (admin: FakeAdmin) => Promise<void>,
): Promise<void> {
  const admin = new FakeAdmin({ keys: KEYS, genesisValidatorsRoot: NETWORK, ...options });
  await admin.start();
  try {
    await run(admin);
  } finally {
    await admin.stop();
  }
}

function interchange(keys: readonly Uint8Array[], slot: string, network = NETWORK): string {
  return JSON.stringify({
    metadata: {
      interchange_format_version: "5",
      genesis_validators_root: encodePrefixedHex(network),
    },
    data: keys.map((key) => ({
      pubkey: encodePrefixedHex(key),
      signed_blocks: [{ slot }],
      signed_attestations: [{ source_epoch: "2", target_epoch: "3" }],
    })),
  });
}

async function writeInterchange(admin: FakeAdmin, text: string): Promise<string> {
  const path = join(admin.folder, "interchange.json");
  await writeFile(path, text);
  return path;
}

describe("redoubt", () => {
  it("prints its commands with --help and its version with --version", async () => {
    const help = await redoubt(["--help"]);
    assert.equal(help.code, 0);
    assert.match(help.out, /^ {2}state {2}/m);
    const version = await redoubt(["--version"]);
    assert.equal(version.code, 0);
    assert.match(version.out, /^redoubt \d+\.\d+\.\d+\n$/);
  });

  it("exits with 2 and one line without a command and for an unknown one", async () => {
    for (const args of [[], ["frobnicate"], ["--frobnicate"]]) {
      const run = await redoubt(args);
      assert.equal(run.code, 2, args.join(" "));
      assert.equal(run.out, "");
      assert.equal(run.error.trimEnd().split("\n").length, 1);
    }
  });

  it("prints the usage of a command with --help, whatever else is there", async () => {
    const run = await redoubt(["state", "import", "--nonsense", "--help"]);
    assert.equal(run.code, 0);
    assert.match(run.out, /^redoubt state:/);
  });

  it("ends with its exit code although nobody reads, and with 1 when nothing can be written", async () => {
    assert.equal((await unread("verify /dev/null")).error, "1\n");
    assert.equal((await unread("--help")).error, "0\n");
    assert.equal((await shell('"$0" --no-warnings "$1" --help > /dev/full')).code, 1);
  });

  it("starts through its launcher, from another folder and through links", async () => {
    const folder = await mkdtemp(join(tmpdir(), "redoubt-link-"));
    try {
      // A copy with a recorder in place of run.mjs: the real one may install packages.
      await mkdir(join(folder, "house/scripts"), { recursive: true });
      await copyFile(join(ROOT, "scripts/redoubt"), join(folder, "house/scripts/redoubt"));
      const recorder = "console.log(JSON.stringify([process.cwd(), ...process.argv.slice(2)]));";
      await writeFile(join(folder, "house/scripts/run.mjs"), recorder);
      await symlink("house/scripts/redoubt", join(folder, "relative"));
      await symlink(join(folder, "relative"), join(folder, "absolute"));
      const elsewhere = await realpath(await mkdtemp(join(folder, "else where-")));
      for (const name of ["house/scripts/redoubt", "relative", "absolute"]) {
        const run = await start(join(folder, name), ["state", "a b", ""], elsewhere);
        assert.equal(run.code, 0, run.error);
        const expected = [elsewhere, "scripts/cli/main.ts", "state", "a b", ""];
        assert.deepEqual(JSON.parse(run.out), expected);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("redoubt state", () => {
  it("exits with 1 and LINK_DOWN when nobody listens", async () => {
    const run = await redoubt(["state", "show", "--admin", "unix:///nonexistent/admin.sock"]);
    assert.equal(run.code, 1);
    assert.match(run.error, /LINK_DOWN/);
  });

  it("finds the local signer's socket from the caller's folder", async () => {
    await withAdmin({}, async (admin) => {
      const folder = await mkdtemp(join(tmpdir(), "redoubt-cwd-"));
      try {
        await symlink(admin.folder, join(folder, "local"));
        await symlink(folder, join(folder, ".redoubt"));
        const run = await redoubt(["state", "show"], folder);
        assert.equal(run.code, 0, run.error);
        assert.match(run.out, /keys 3\n$/);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });

  it("init creates records only for keys that have none", async () => {
    await withAdmin({ listCount: 2 }, async (admin) => {
      admin.put(keyOf(2), { seq: 5, blockSlot: 9n });
      const all = await redoubt(["state", "init", "--all", "--json", "--admin", admin.url]);
      assert.equal(all.code, 0, all.error);
      assert.deepEqual(JSON.parse(all.out), { created: 2, existing: 1 });
    });
  });

  it("init refuses a key that the enclave does not hold, before it creates anything", async () => {
    await withAdmin({}, async (admin) => {
      const wanted = [keyOf(1), keyOf(9)].map((key) => encodePrefixedHex(key));
      const run = await redoubt(["state", "init", "--admin", admin.url, "--key", ...wanted]);
      assert.equal(run.code, 1);
      assert.match(run.error, /KEY_UNKNOWN/);
      assert.deepEqual(admin.calls, []);
    });
  });

  it("show prints one key's record as JSON", async () => {
    await withAdmin({}, async (admin) => {
      admin.put(keyOf(2), { seq: 5, blockSlot: 2n ** 63n, blockRoot: new Uint8Array(32) });
      const key = encodePrefixedHex(keyOf(2));
      const run = await redoubt(["state", "show", "--key", key, "--json", "--admin", admin.url]);
      assert.equal(run.code, 0, run.error);
      assert.deepEqual(JSON.parse(run.out), {
        keys: [
          {
            key,
            hasRecord: true,
            isRetired: false,
            seq: 5,
            head: `0x${"00".repeat(32)}`,
            blockSlot: "9223372036854775808",
            blockRoot: `0x${"00".repeat(32)}`,
            source: null,
            target: null,
            attestationRoot: null,
          },
        ],
      });
    });
  });

  it("import shows each key before and after, and a dry run changes nothing", async () => {
    await withAdmin({}, async (admin) => {
      admin.put(keyOf(1), { seq: 1, blockSlot: 50n, source: 9n, target: 10n });
      admin.put(keyOf(2), { seq: 1, blockSlot: 5n, source: 9n, target: 10n });
      const path = await writeInterchange(admin, interchange([...KEYS, keyOf(9)], "7"));
      const args = ["state", "import", path, "--admin", admin.url];
      const dry = await redoubt([...args, "--dry-run"]);
      assert.equal(dry.code, 0, dry.error);
      const lines = dry.out.trimEnd().split("\n");
      assert.equal(lines.length, 5);
      assert.match(lines[0] ?? "", /unknown key$/);
      assert.match(lines[1] ?? "", /unchanged: slot 50 source 9 target 10 -> slot 50 /);
      assert.match(lines[2] ?? "", /raised: slot 5 source 9 target 10 -> slot 7 /);
      assert.match(lines[3] ?? "", /created: no record -> slot 7 source 2 target 3$/);
      assert.match(lines[4] ?? "", /created 1, raised 1, unchanged 1, unknown 1, short 0$/);
      assert.equal(admin.states.size, 2);
      const run = await redoubt([...args, "--json"]);
      assert.equal(run.code, 0, run.error);
      const report = z.looseObject({ dryRun: z.boolean() }).parse(JSON.parse(run.out));
      assert.equal(report.dryRun, false);
      assert.deepEqual(report["counts"], {
        created: 1,
        raised: 1,
        unchanged: 1,
        unknown: 1,
        short: 0,
      });
      assert.equal(admin.states.size, 3);
    });
  });

  it("import goes page by page", async () => {
    const keys = Array.from({ length: COMMIT_COUNT_MAX + 1 }, (_, index) => keyOf(index));
    await withAdmin({ keys }, async (admin) => {
      const path = await writeInterchange(admin, interchange(keys, "7"));
      const run = await redoubt(["state", "import", path, "--admin", admin.url]);
      assert.equal(run.code, 0, run.error);
      assert.deepEqual(admin.calls, ["state.show", "state.import", "state.show", "state.import"]);
      assert.equal(admin.states.size, keys.length);
    });
  });

  it("import of another network is refused, even when it has no keys", async () => {
    await withAdmin({}, async (admin) => {
      for (const keys of [KEYS, []]) {
        const text = interchange(keys, "7", new Uint8Array(32).fill(1));
        const path = await writeInterchange(admin, text);
        const run = await redoubt(["state", "import", path, "--admin", admin.url]);
        assert.equal(run.code, 1);
        assert.match(run.error, /INTERCHANGE_NETWORK/);
      }
      assert.equal(admin.states.size, 0);
    });
  });

  it("import fails for a malformed file, a missing one, and one of other keys only", async () => {
    await withAdmin({}, async (admin) => {
      const bad = await writeInterchange(admin, "{}");
      const malformed = await redoubt(["state", "import", bad, "--admin", admin.url]);
      assert.equal(malformed.code, 1);
      assert.match(malformed.error, /INTERCHANGE_MALFORMED/);
      const missing = await redoubt(["state", "import", `${bad}.not`, "--admin", admin.url]);
      assert.equal(missing.code, 1);
      const foreign = await writeInterchange(admin, interchange([keyOf(9)], "7"));
      const unknown = await redoubt(["state", "import", foreign, "--admin", admin.url]);
      assert.equal(unknown.code, 1);
    });
  });

  it("import fails when the enclave did not raise what it was asked to raise", async () => {
    await withAdmin({ forgetsImports: true }, async (admin) => {
      const path = await writeInterchange(admin, interchange(KEYS, "7"));
      const run = await redoubt(["state", "import", path, "--admin", admin.url]);
      assert.equal(run.code, 1);
      assert.match(run.out, /short 3$/m);
    });
  });

  it("export leaves out keys without a record, says so, and imports again unchanged", async () => {
    await withAdmin({}, async (admin) => {
      const signed = { seq: 3, blockSlot: 50n, source: 9n, target: 10n };
      admin.put(keyOf(2), { ...signed, blockRoot: new Uint8Array(32).fill(7) });
      admin.put(keyOf(1), signed);
      const path = join(admin.folder, "export.json");
      const run = await redoubt(["state", "export", path, "--admin", admin.url, "--json"]);
      assert.equal(run.code, 0, run.error);
      assert.deepEqual(JSON.parse(run.out), { exported: 2, missing: 1, isSigning: true });
      const attestations = [{ source_epoch: "9", target_epoch: "10" }];
      assert.deepEqual(JSON.parse(await readFile(path, "utf8")), {
        metadata: {
          interchange_format_version: "5",
          genesis_validators_root: encodePrefixedHex(NETWORK),
        },
        data: [
          {
            pubkey: encodePrefixedHex(keyOf(1)),
            signed_blocks: [{ slot: "50" }],
            signed_attestations: attestations,
          },
          {
            pubkey: encodePrefixedHex(keyOf(2)),
            signed_blocks: [{ slot: "50", signing_root: `0x${"07".repeat(32)}` }],
            signed_attestations: attestations,
          },
        ],
      });
      const again = await redoubt(["state", "import", path, "--admin", admin.url]);
      assert.match(again.out, /created 0, raised 0, unchanged 2, unknown 0, short 0$/m);
      const toStdout = await redoubt(["state", "export", "-", "--admin", admin.url]);
      assert.equal(toStdout.out, await readFile(path, "utf8"));
    });
  });

  it("export before a manifest was measured is refused", async () => {
    await withAdmin({ genesisValidatorsRoot: null, phase: "Booting" }, async (admin) => {
      const run = await redoubt(["state", "export", "-", "--admin", admin.url]);
      assert.equal(run.code, 1);
      assert.match(run.error, /PHASE_REFUSED/);
    });
  });
});

describe("redoubt state export to a file", () => {
  let admin: FakeAdmin;
  before(async () => {
    admin = new FakeAdmin({ keys: KEYS, genesisValidatorsRoot: NETWORK });
    await admin.start();
  });
  after(() => admin.stop());

  it("replaces an old file and leaves nothing else behind", async () => {
    const folder = await mkdtemp(join(tmpdir(), "redoubt-export-"));
    try {
      await writeFile(join(folder, "out.json"), "old");
      const run = await redoubt(["state", "export", "out.json", "--admin", admin.url], folder);
      assert.equal(run.code, 0, run.error);
      assert.deepEqual(await readdir(folder), ["out.json"]);
      const missing = join(folder, "no/such/folder.json");
      const failed = await redoubt(["state", "export", missing, "--admin", admin.url]);
      assert.equal(failed.code, 1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
