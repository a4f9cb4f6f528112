// Preloaded with `--import` into a process of tests: puts one mutant in the place of its module
// while it is loaded. No file is changed, so that trials can run side by side. It must never let a
// trial pass that has not loaded its mutant: a process that ends without having done so says it by
// its exit code. Nor may a trial outlive its limit, also when whoever started it is gone by then.

import { registerHooks } from "node:module";
import { Worker } from "node:worker_threads";
import { LIMIT_VARIABLE, MUTANT_VARIABLE, NOT_LOADED, parseWish } from "./wish.ts";

const wish = parseWish(process.env[MUTANT_VARIABLE] ?? "");
let isLoaded = false;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (url !== wish.url) return loaded;
    const { source } = loaded;
    if (source === undefined || source === null) throw new Error("a module has a source");
    const text = typeof source === "string" ? source : new TextDecoder().decode(source);
    isLoaded = true;
    return { ...loaded, source: text.slice(0, wish.start) + wish.text + text.slice(wish.end) };
  },
});

process.on("exit", () => {
  if (!isLoaded) process.exitCode = NOT_LOADED;
});

// In a thread of its own: a mutant may keep this one busy for ever. The trial leads its group.
new Worker(
  `setTimeout(() => process.kill(-process.pid, "SIGKILL"), ${Number(process.env[LIMIT_VARIABLE])})`,
  { eval: true, execArgv: [] },
).unref();
