import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NsmBinding } from "../../../../enclave/platform/native.ts";
import { openNsmDevice } from "../../../../enclave/platform/nsm-device.ts";

type Asked = { readonly bytes: Uint8Array; readonly settle: (answer: Uint8Array | Error) => void };

class FakeBinding {
  readonly asked: Asked[] = [];
  readonly opened: string[] = [];

  binding(): NsmBinding {
    return {
      open: (path) => {
        this.opened.push(path);
        return 7;
      },
      request: (descriptor, bytes) => {
        assert.equal(descriptor, 7);
        return new Promise((resolve, reject) => {
          const settle = (answer: Uint8Array | Error) =>
            answer instanceof Error ? reject(answer) : resolve(answer);
          this.asked.push({ bytes, settle });
        });
      },
      hardenProcess: () => undefined,
      setClock: () => undefined,
    };
  }
}

function opened(fake: FakeBinding) {
  const device = openNsmDevice(fake.binding());
  assert.ok(device.ok);
  return device.value;
}

function openNothing(): never {
  throw new Error("ENOENT");
}

async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe("the NSM device", () => {
  it("opens /dev/nsm once", async () => {
    const fake = new FakeBinding();
    opened(fake);
    assert.deepEqual(fake.opened, ["/dev/nsm"]);
  });

  it("is unavailable when it can't be opened", () => {
    const binding = new FakeBinding().binding();
    const device = openNsmDevice({ ...binding, open: openNothing });
    assert.equal(device.ok ? null : device.error.code, "NSM_UNAVAILABLE");
  });

  it("asks one request at a time, in order", async () => {
    const fake = new FakeBinding();
    const device = opened(fake);
    const answers = [device.request(Uint8Array.of(1)), device.request(Uint8Array.of(2))];
    await turn();
    assert.deepEqual(
      fake.asked.map(({ bytes }) => [...bytes]),
      [[1]],
    );
    fake.asked[0]?.settle(Uint8Array.of(11));
    await turn();
    assert.equal(fake.asked.length, 2);
    fake.asked[1]?.settle(Uint8Array.of(12));
    assert.deepEqual(await Promise.all(answers), [
      { ok: true, value: Uint8Array.of(11) },
      { ok: true, value: Uint8Array.of(12) },
    ]);
  });

  it("goes on after a request that failed", async () => {
    const fake = new FakeBinding();
    const device = opened(fake);
    const answers = [device.request(Uint8Array.of(1)), device.request(Uint8Array.of(2))];
    await turn();
    fake.asked[0]?.settle(new Error("EIO"));
    await turn();
    fake.asked[1]?.settle(Uint8Array.of(12));
    const [first, second] = await Promise.all(answers);
    assert.ok(first !== undefined && !first.ok);
    assert.equal(first.error.code, "NSM_UNAVAILABLE");
    assert.equal(second?.ok, true);
  });

  it("refuses the 65th request that waits, and takes more when one has been answered", async () => {
    const fake = new FakeBinding();
    const device = opened(fake);
    const answers = Array.from({ length: 64 }, () => device.request(Uint8Array.of(1)));
    const refused = await device.request(Uint8Array.of(2));
    assert.equal(refused.ok ? null : refused.error.code, "NSM_UNAVAILABLE");
    await turn();
    fake.asked[0]?.settle(Uint8Array.of(1));
    await answers[0];
    await turn();
    void device.request(Uint8Array.of(3));
    for (let index = 1; index < 65; index++) {
      fake.asked[index]?.settle(Uint8Array.of(1));
      await turn();
    }
    await Promise.all(answers);
    assert.deepEqual([...(fake.asked[64]?.bytes ?? [])], [3]);
  });
});
