// A parent as a process of its own, of which tests need the ports that it has chosen.

import type { Layout } from "../../scripts/local/layout.ts";
import { Program } from "../../scripts/local/program.ts";

export type ParentProgram = {
  readonly program: Program;
  /** Of a listener (`api`, `ops`) once the program is ready; 0 for one that it has not. */
  readonly portOf: (listener: string) => number;
};

export function startParentProgram(layout: Layout, name: string): ParentProgram {
  const ports = new Map<string, number>();
  const program = new Program({
    name,
    file: "parent/main.ts",
    args: [layout.parentConfig],
    logFolder: layout.logFolder,
    readReady: (line) => {
      const listening = /"address":"tcp:\/\/127\.0\.0\.1:(\d+)","event":"(\w+)\.listening"/.exec(
        line,
      );
      if (listening !== null) ports.set(listening[2] ?? "", Number(listening[1]));
      return line.includes("parent.listening") ? line : null;
    },
  });
  return { program, portOf: (listener) => ports.get(listener) ?? 0 };
}
