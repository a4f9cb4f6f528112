// The two addons of `npm run build:native`, as values with types. It must never replace an addon
// that is missing or does not load by something else: null, and its user refuses to start.

import { fileURLToPath } from "node:url";
import { isVsockBinding, type VsockBinding } from "../../shared/wire/vsock.ts";

/** `build/nsm.node` (native/nsm.c). Throws and rejects with errors whose code is an errno. */
export interface NsmBinding {
  /** Opens a device; the descriptor stays open. */
  open(path: string): number;
  /** One request of at most NSM_REQUEST_BYTES_MAX, off this thread. The bytes are copied. */
  request(fd: number, bytes: Uint8Array): Promise<Uint8Array>;
  /** No core dumps, and nobody may attach to or read this process. */
  hardenProcess(): void;
  setClock(unixMs: number): void;
}

type RequestCallback = (code: string | null, response: Uint8Array | null) => void;

/** As the addon has it. */
type RawNsm = Omit<NsmBinding, "request"> & {
  request(fd: number, bytes: Uint8Array, callback: RequestCallback): void;
};

const NSM_METHODS: readonly (keyof RawNsm)[] = ["open", "request", "hardenProcess", "setClock"];

export function loadVsock(): VsockBinding | null {
  const addon = load(new URL("../../build/vsock.node", import.meta.url));
  return isVsockBinding(addon) ? addon : null;
}

export function loadNsm(): NsmBinding | null {
  const addon = load(new URL("../../build/nsm.node", import.meta.url));
  if (!isRawNsm(addon)) return null;
  return {
    open: (path) => addon.open(path),
    request: (fd, bytes) => request(addon, fd, bytes),
    hardenProcess: () => addon.hardenProcess(),
    setClock: (unixMs) => addon.setClock(Math.round(unixMs)),
  };
}

function request(addon: RawNsm, fd: number, bytes: Uint8Array): Promise<Uint8Array> {
  return new Promise((settle, reject) => {
    addon.request(fd, bytes, (code, response) => {
      if (response !== null) settle(response);
      else reject(Object.assign(new Error("nsm"), { code }));
    });
  });
}

function isRawNsm(value: unknown): value is RawNsm {
  if (typeof value !== "object" || value === null) return false;
  return NSM_METHODS.every((name) => typeof Reflect.get(value, name) === "function");
}

/** The exports of an addon, or null when there is none for this Node and machine. */
function load(url: URL): unknown {
  const addon: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(addon, fileURLToPath(url));
  } catch {
    return null;
  }
  return addon.exports;
}
