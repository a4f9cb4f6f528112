// The parent's store as a program of its own, to be killed: `store-process.ts PATH SOCKET`. Prints
// one line when it listens, or the code why it does not.

import { startStore } from "../../parent/store/store.ts";
import { SilentLog } from "./silent-log.ts";

const [, , path = "", socket = ""] = process.argv;
const listen = { kind: "unix", path: socket } as const;
const store = await startStore({ path, listen, log: new SilentLog() });
process.stdout.write(`${store.ok ? "listening" : store.error.code}\n`);
