// The parent's program: `redoubt-parent CONFIG.json`. SIGTERM and SIGINT stop it with every answer
// given; SIGHUP has it read certificates, clients, nodes and bundles anew. Exit codes: 0 stopped,
// 1 failed (one line in the log says why), 2 usage. It must never run on after an error nobody
// caught.

import { SHUTDOWN_DEADLINE_MS } from "../shared/limits.ts";
import { err } from "../shared/result.ts";
import { type ConfigError, readConfig } from "./ops/config.ts";
import { createLog } from "./ops/log.ts";
import type { Log } from "./ports.ts";
import { type Service, startService } from "./service.ts";

/** After the deadline of the shutdown itself; then it is over, finished or not. */
const EXIT_MARGIN_MS = 5000;

function fail(log: Log, code: string, reason: string): never {
  log.error("parent.failed", { code, reason });
  process.exit(1);
}

function logProblems(log: Log, error: ConfigError): void {
  for (const reason of error.problems) log.error("config.refused", { code: error.code, reason });
}

async function reload(path: string, service: Service, log: Log): Promise<void> {
  const config = await readConfig(path);
  if (config.ok) return service.reload(config.value);
  logProblems(log, config.error);
  service.reloadBundles();
}

async function stop(service: Service, log: Log): Promise<never> {
  setTimeout(
    () => fail(log, "DEADLINE", "what was in flight did not end"),
    SHUTDOWN_DEADLINE_MS + EXIT_MARGIN_MS,
  ).unref();
  await service.stop();
  log.info("parent.stopped");
  process.exit(0);
}

async function main(): Promise<void> {
  const [path, ...rest] = process.argv.slice(2);
  if (path === undefined || rest.length > 0) {
    process.stderr.write("usage: redoubt-parent CONFIG.json\n");
    process.exit(2);
  }
  // By default SIGHUP ends a process: one that comes during the start waits for its end. Reloads
  // go one after the other: an older reading of the files must not come to be in force last.
  const started = Promise.withResolvers<() => Promise<void>>();
  let reloading: Promise<unknown> = started.promise;
  process.on("SIGHUP", () => {
    reloading = reloading.then(async () => (await started.promise)());
  });
  // Sockets and the store's files are for no other user. Threads can't set the mask themselves.
  process.umask(0o077);
  const config = await readConfig(path);
  const log = createLog(config.ok ? config.value.log.level : "info");
  // A stack names files of ours and nothing that a client sent.
  process.on("uncaughtException", (error) => fail(log, "BUG", error.stack ?? error.message));
  process.on("unhandledRejection", (cause) =>
    fail(log, "BUG", cause instanceof Error ? (cause.stack ?? cause.message) : "a rejection"),
  );
  if (!config.ok) {
    logProblems(log, config.error);
    process.exit(1);
  }
  const service = await startService({
    config: config.value,
    readConfig: async () => {
      const next = await readConfig(path);
      if (next.ok) return next;
      logProblems(log, next.error);
      return err({ code: next.error.code });
    },
    log,
    onFailure: (part, reason) => fail(log, "PART_FAILED", `${part}: ${reason}`),
  });
  if (!service.ok) fail(log, service.error.code, service.error.reason);
  let isStopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (!isStopping) void stop(service.value, log);
      isStopping = true;
    });
  }
  started.resolve(() => reload(path, service.value, log));
}

await main();
