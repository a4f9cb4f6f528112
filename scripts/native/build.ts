// `npm run build:native`: compiles the addons for AF_VSOCK and `/dev/nsm` into build/. Everything
// but `vsock:` addresses and the Nitro target works without them.

import { relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildNative, NativeError } from "./compile.ts";

const USAGE = `usage: npm run build:native [-- --cc COMPILER --out FOLDER]
  --cc COMPILER   the C compiler (default: cc)
  --out FOLDER    where the addons go (default: build)
`;

function main(root: string): number {
  try {
    const { values } = parseArgs({
      options: { cc: { type: "string" }, out: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help === true) {
      process.stdout.write(USAGE);
      return 0;
    }
    const outFolder = resolve(values.out ?? resolve(root, "build"));
    const { isBuilt, files } = buildNative({ root, cc: values.cc ?? "cc", outFolder });
    const names = files.map((file) => relative(process.cwd(), file)).join(", ");
    process.stdout.write(`${isBuilt ? "built" : "up to date"}: ${names}\n`);
    return 0;
  } catch (error) {
    if (error instanceof NativeError) {
      process.stderr.write(`build:native: ${error.message}\n`);
      return 1;
    }
    if (error instanceof TypeError) {
      process.stderr.write(USAGE);
      return 2;
    }
    throw error;
  }
}

process.exitCode = main(resolve(import.meta.dirname, "../.."));
