// What we use of `dynalite`, which has no types of its own. It must never declare an option that
// the package does not have.

declare module "dynalite" {
  import type { Server } from "node:http";

  /** `path` is a LevelDB folder; without it everything is forgotten at the end. */
  function dynalite(options: { readonly path?: string; readonly createTableMs?: number }): Server;
  export = dynalite;
}
