import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { z } from "zod";
import { loadNsm, loadVsock, type NsmBinding } from "../../../../enclave/platform/native.ts";
import { NSM_REQUEST_BYTES_MAX, NSM_RESPONSE_BYTES_MAX } from "../../../../shared/limits.ts";
import { CID_ANY, PORT_ANY, type VsockBinding } from "../../../../shared/wire/vsock.ts";

const NOT_BUILT = "the addons are not built: npm run build:native";
const vsock = loadVsock();
const nsm = loadNsm();
const hasVsock = vsock !== null && canListen(vsock);

/** This machine itself, where it can be reached over vsock at all: never another one. */
const CID_NOBODY = 1;
const INVALID = { code: "ERR_INVALID_ARG_VALUE" };
/** Of descriptors: what was offered, and what was opened when that was closed. */
const NUMBERS = z.strictObject({ offered: z.number(), other: z.number() });
const noOffer = () => false;

/** Some containers have no AF_VSOCK. */
function canListen(binding: VsockBinding): boolean {
  try {
    binding.close(binding.listen(CID_ANY, PORT_ANY, 1));
    return true;
  } catch {
    return false;
  }
}

function vsockAddon(): VsockBinding {
  assert.ok(vsock !== null);
  return vsock;
}

function nsmAddon(): NsmBinding {
  assert.ok(nsm !== null);
  return nsm;
}

const ROUND_COUNT = 20;

/** Node opens a descriptor of its own now and then: a leak is one in every round. */
async function assertNoLeak(run: () => Promise<void> | void, roundCount = ROUND_COUNT) {
  await run();
  const before = descriptorCount();
  for (let round = 0; round < roundCount; round++) await run();
  assert.ok(descriptorCount() < before + roundCount);
}

function descriptorCount(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Calls a function of an addon with whatever a caller without types could give it. */
function call(addon: object, name: string, args: readonly unknown[]): unknown {
  const method: unknown = Reflect.get(addon, name);
  assert.ok(typeof method === "function");
  return Reflect.apply(method, addon, args);
}

const NOT_NUMBERS = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, "1", null, 1n, {}, []];

const NO_VSOCK = "this kernel has no AF_VSOCK, or the addon is not built";

test("the addons load", { skip: vsock === null && nsm === null ? NOT_BUILT : false }, () => {
  assert.ok(vsock !== null && nsm !== null);
});

test("this kernel has AF_VSOCK", { skip: hasVsock ? false : NO_VSOCK }, () => {
  assert.ok(hasVsock);
});

describe("the vsock addon", { skip: vsock === null ? NOT_BUILT : false }, () => {
  const good: Readonly<Record<string, readonly unknown[]>> = {
    listen: [CID_ANY, PORT_ANY, 1],
    accept: [0, noOffer],
    resume: [{}],
    stop: [{}],
    connect: [CID_NOBODY, 1, 1, noOffer],
    peer: [0],
    localPort: [0],
    pair: [noOffer],
    close: [0],
  };

  for (const [name, args] of Object.entries(good)) {
    test(`${name} refuses too few and too many arguments`, () => {
      assert.throws(() => call(vsockAddon(), name, args.slice(1)), INVALID);
      assert.throws(() => call(vsockAddon(), name, [...args, 0]), INVALID);
    });

    for (const [index, right] of args.entries()) {
      test(`${name} refuses argument ${index} of another kind or range`, () => {
        const wrong = typeof right === "number" ? NOT_NUMBERS : [null, undefined, 1, "f", {}, []];
        for (const value of wrong) {
          assert.throws(() => call(vsockAddon(), name, args.with(index, value)), INVALID);
        }
      });
    }
  }

  test("localCid takes no argument", () => {
    assert.throws(() => call(vsockAddon(), "localCid", [0]), INVALID);
  });

  test("refuses a backlog and a timeout of nothing or beyond their bounds", () => {
    const binding = vsockAddon();
    assert.throws(() => binding.listen(CID_ANY, PORT_ANY, 4097), INVALID);
    for (const timeoutMs of [0, 600_001]) {
      assert.throws(() => binding.connect(CID_NOBODY, 1, timeoutMs, noOffer), INVALID);
    }
  });

  test("touches no descriptor that is not AF_VSOCK", () => {
    const binding = vsockAddon();
    const file = openSync("/dev/null", "r");
    const attempts = [
      (fd: number) => binding.close(fd),
      (fd: number) => void binding.peer(fd),
      (fd: number) => void binding.localPort(fd),
      (fd: number) => void binding.accept(fd, noOffer),
    ];
    for (const attempt of attempts) {
      assert.throws(() => attempt(file), { code: "ENOTSOCK" });
      assert.throws(() => attempt(1_000_000), { code: "EBADF" });
      binding.pair((_code, fd) => {
        assert.throws(() => attempt(fd), { code: "EAFNOSUPPORT" });
        return false;
      });
    }
    closeSync(file);
  });

  test("closes what is offered and not taken, and nothing that is", async () => {
    for (const answer of [false, undefined, 1, "true", null]) {
      await assertNoLeak(() => void call(vsockAddon(), "pair", [() => answer]));
    }
    await assertNoLeak(async () => {
      const sockets: Socket[] = [];
      vsockAddon().pair((code, fd) => {
        assert.equal(code, null);
        sockets.push(new Socket({ fd }));
        return true;
      });
      const [first, second] = sockets;
      assert.ok(first !== undefined && second !== undefined);
      // Both ends are open, and each other's.
      first.end("hello");
      assert.equal(String((await once(second, "data")).at(0)), "hello");
      for (const socket of sockets) socket.destroy();
      await Promise.all(sockets.map((socket) => once(socket, "close")));
    });
  });

  test("closes nothing twice when a thread ends between taking and saying so", async () => {
    await assertNoLeak(async () => {
      const codes: readonly unknown[] = await once(addonThread("take and exit"), "exit");
      assert.equal(codes[0], 0);
    }, 4);
  });

  test("closes no other file that has the number of what was taken and closed", async () => {
    const worker = addonThread("close and exit");
    const [messages] = await Promise.all([once(worker, "message"), once(worker, "exit")]);
    const { offered, other } = NUMBERS.parse(messages[0]);
    assert.equal(other, offered);
    // Still open, or this throws EBADF.
    closeSync(other);
  });
});

const withVsock = { skip: hasVsock ? false : NO_VSOCK };

describe("the vsock addon with a kernel that has AF_VSOCK", withVsock, () => {
  test("listens, names its port, and frees both when stopped, once and for all", () => {
    const binding = vsockAddon();
    const fd = binding.listen(CID_ANY, PORT_ANY, 1);
    const port = binding.localPort(fd);
    assert.ok(port > 0 && port < PORT_ANY);
    assert.throws(() => binding.listen(CID_ANY, port, 1), { code: "EADDRINUSE" });
    assert.throws(() => binding.peer(fd), { code: "ENOTCONN" });
    const acceptor = binding.accept(fd, noOffer);
    binding.resume(acceptor);
    binding.stop(acceptor);
    binding.stop(acceptor);
    binding.resume(acceptor);
    binding.close(binding.listen(CID_ANY, port, 1));
  });

  const hasLoopback = existsSync("/sys/module/vsock_loopback");
  // Without it CID 1 is asked of the hypervisor: not this machine any more.
  const WHY_NOT = "no vsock loopback here; the boot test has refused connections and ended threads";
  const loopback = { skip: hasLoopback ? false : WHY_NOT };

  test(
    "a connection that nobody answers fails in its time and leaves nothing",
    loopback,
    async () => {
      await assertNoLeak(async () => {
        const code = await new Promise((settle) => {
          vsockAddon().connect(CID_NOBODY, 7, 20, (code, fd, cid) => {
            assert.deepEqual([fd, cid], [-1, 0]);
            settle(code);
            return false;
          });
        });
        // By the transport: one that refuses, one where nobody answers.
        assert.ok(["ETIMEDOUT", "ECONNRESET"].includes(String(code)));
      });
    },
  );

  test("a thread that ends while it listens and connects leaves nothing", loopback, async () => {
    await assertNoLeak(async () => {
      await once(addonThread("connect and exit"), "exit");
      const worker = addonThread("connect");
      await once(worker, "message");
      await worker.terminate();
    }, 4);
  });
});

function addonThread(task: string): Worker {
  const url = new URL("../../../fakes/addon-thread.ts", import.meta.url);
  return new Worker(url, { workerData: task });
}

describe("the NSM addon", { skip: nsm === null ? NOT_BUILT : false }, () => {
  test("opens devices and nothing else", () => {
    const wrong = [
      ["/dev/none", "ENOENT"],
      [fileURLToPath(import.meta.url), "ENODEV"],
      ["/dev", "EISDIR"],
    ] as const;
    for (const [path, code] of wrong) assert.throws(() => nsmAddon().open(path), { code });
    for (const path of ["", "/dev/null\0", `/${"x".repeat(200)}`, 1, null]) {
      assert.throws(() => call(nsmAddon(), "open", [path]), INVALID);
    }
  });

  test("asks the device, and tells the errno of one that is no NSM", async () => {
    const fd = nsmAddon().open("/dev/null");
    for (const length of [1, NSM_REQUEST_BYTES_MAX]) {
      await assert.rejects(nsmAddon().request(fd, new Uint8Array(length)), { code: "ENOTTY" });
    }
    await assert.rejects(nsmAddon().request(1_000_000, new Uint8Array(1)), { code: "EBADF" });
    closeSync(fd);
  });

  test("refuses requests that are empty, too large or no bytes", async () => {
    const wrong = [
      new Uint8Array(0),
      new Uint8Array(NSM_REQUEST_BYTES_MAX + 1),
      new Uint16Array(8),
      new DataView(new ArrayBuffer(8)),
      new ArrayBuffer(8),
      "bytes",
      null,
    ];
    for (const bytes of wrong) {
      assert.throws(() => call(rawNsm(), "request", [0, bytes, () => {}]), INVALID);
    }
    assert.throws(() => call(rawNsm(), "request", [0, new Uint8Array(1), null]), INVALID);
    assert.throws(() => call(rawNsm(), "request", [-1, new Uint8Array(1), () => {}]), INVALID);
    assert.throws(() => call(rawNsm(), "request", [0, new Uint8Array(1)]), INVALID);
  });

  test("has the sizes of shared/limits.ts", () => {
    const root = join(import.meta.dirname, "../../../..");
    const text = readFileSync(join(root, "enclave/platform/native/nsm.c"), "utf8");
    const sizes = { NSM_REQUEST_BYTES_MAX, NSM_RESPONSE_BYTES_MAX };
    for (const [name, size] of Object.entries(sizes)) {
      assert.ok(text.includes(`#define ${name} 0x${size.toString(16)}\n`), name);
    }
  });

  test("refuses a clock that is no time", () => {
    for (const unixMs of [-1, 1.5, Number.NaN, 253_402_300_800_000, "1", null]) {
      assert.throws(() => call(rawNsm(), "setClock", [unixMs]), INVALID);
    }
    assert.throws(() => nsmAddon().setClock(Number.NaN), INVALID);
  });

  test("hardenProcess leaves no core dumps and nobody to look in", () => {
    // In a process of its own: it can't be taken back.
    const code = `
      import { loadNsm } from ${JSON.stringify(new URL("../../../../enclave/platform/native.ts", import.meta.url).href)};
      import { readFileSync, statSync } from "node:fs";
      loadNsm().hardenProcess();
      const limits = readFileSync("/proc/self/limits", "utf8");
      const [, soft, hard] = /^Max core file size +(\\S+) +(\\S+)/m.exec(limits);
      console.log(soft, hard, statSync("/proc/self/environ").uid);
    `;
    const child = spawnSync(process.execPath, ["--no-warnings", "--input-type=module", "-e", code]);
    // Files in /proc of what may not be dumped are root's, whoever runs it.
    assert.equal(String(child.stdout).trim(), "0 0 0", String(child.stderr));
  });
});

/** The addon itself, without what `loadNsm` adds. */
function rawNsm(): object {
  const addon: { exports: unknown } = { exports: {} };
  const url = new URL("../../../../build/nsm.node", import.meta.url);
  process.dlopen(addon, fileURLToPath(url));
  assert.ok(typeof addon.exports === "object" && addon.exports !== null);
  return addon.exports;
}
