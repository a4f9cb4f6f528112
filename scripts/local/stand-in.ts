// What the programs that stand in for services of AWS have in common: one JSON line when they
// listen, an end by signal, and their usage when they can't start.

type Server = { readonly port: number; close(): Promise<void> };

export async function runStandIn(usage: string, start: () => Promise<Server>): Promise<void> {
  try {
    const server = await start();
    process.stdout.write(`${JSON.stringify({ ready: true, port: server.port })}\n`);
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => void server.close());
    }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : "failed"}\n${usage}`);
    process.exitCode = 2;
  }
}
