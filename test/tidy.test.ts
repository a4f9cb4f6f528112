// The house rules that neither the compiler nor the linter can hold (docs/style.md).

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { basename, dirname, join, posix } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import { readTokens } from "../scripts/closure/tokens.ts";
import { ERRORS } from "../shared/errors.ts";
import { ENTRY_FILES, UNTESTED_CODES } from "./tidy/allowed.ts";
import { CODE, IMPORTS, isIn, linesWith, PAGES, PATHS, ROOT, read, TEXTS } from "./tidy/tree.ts";

const NONE: readonly string[] = [];
const PROGRAMS = ["enclave", "parent", "shared"] as const;

function none(violations: readonly string[]): void {
  assert.deepEqual(violations, NONE);
}

describe("every file", () => {
  it("has no comment wider than 100 columns (Biome breaks the code)", () => {
    const wide = CODE.flatMap(({ path, lines }) =>
      lines.flatMap((line, index) =>
        line.length > 100 && /^\s*(\/\/|\/?\*)/.test(line) && line.trim().includes(" ")
          ? [`${path}:${index + 1}`]
          : [],
      ),
    );
    none(wide);
  });

  it("is named after the one thing inside, in kebab case", () => {
    const banned = /^(utils?|helpers?|common|misc|types|index)$/;
    const wrong = CODE.map(({ path }) => path).filter((path) => {
      const stem = basename(path).replace(/(\.[a-z0-9]+)*\.ts$/, "");
      return banned.test(stem) || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem);
    });
    none(wrong);
  });

  it("has at most 400 lines", () => {
    none(CODE.filter(({ lines }) => lines.length > 401).map(({ path }) => path));
  });

  it("of a program opens with a comment on what it is for", () => {
    const files = CODE.filter(({ path }) => isIn(path, ...PROGRAMS, "scripts"));
    none(files.filter(({ text }) => !/^(#!.*\n)?\/[/*]/.test(text)).map(({ path }) => path));
  });

  it("has no markers of unfinished work", () => {
    // Between backquotes a page may speak of them.
    const marker = /(?<![`\w])(T[O]DO|F[I]XME|X[X]X)\b/;
    none(
      linesWith(
        TEXTS.filter(({ path }) => path !== "package-lock.json"),
        marker,
      ),
    );
  });

  it("names no folder of anybody's machine and no package registry", () => {
    const pattern =
      /(?<![\w.])\/(work|home\/\w+|Users|root)\/|\bregistry\.[a-z]+\.|\bartifactory\b/;
    none(linesWith(TEXTS, pattern));
  });

  it("gives the reason of each lint suppression, on its line or in a comment above", () => {
    const silent = CODE.flatMap(({ path, lines }) =>
      lines.flatMap((line, index) => {
        if (!/(oxlint|biome|eslint)-(disable|ignore)|@ts-(ignore|nocheck|expect)/.test(line))
          return [];
        const hasReason = /--\s*\S/.test(line) || /^\s*(\/\/|\*)/.test(lines[index - 1] ?? "");
        return hasReason || path === "test/tidy.test.ts" ? [] : [`${path}:${index + 1}`];
      }),
    );
    none(silent);
  });
});

describe("imports", () => {
  it("name files by their whole name, and the file is there", () => {
    const wrong = IMPORTS.filter(
      ({ target, importer }) =>
        target !== null &&
        !isIn(importer, "test/unit/scripts") &&
        // What `npm run build:native` makes is not there before it ran.
        !/^build\/[a-z]+\.node$/.test(target) &&
        (!/\.(ts|json|mjs)$/.test(target) || !existsSync(join(ROOT, target))),
    );
    none(wrong.map(({ importer, line, specifier }) => `${importer}:${line} ${specifier}`));
  });

  it("keep the enclave and the parent apart, and shared below both", () => {
    const forbidden: Readonly<Record<string, readonly string[]>> = {
      enclave: ["parent", "scripts", "test"],
      parent: ["enclave", "scripts", "test"],
      shared: ["enclave", "parent", "scripts", "test"],
      scripts: ["test"],
    };
    const wrong = IMPORTS.filter(({ importer, target }) => {
      const folder = importer.split("/")[0] ?? "";
      return target !== null && isIn(target, ...(forbidden[folder] ?? []));
    });
    none(wrong.map(({ importer, line, target }) => `${importer}:${line} ${target}`));
  });

  it("bring nothing of the platform into shared and the core", () => {
    const wrong = IMPORTS.filter(
      ({ importer, specifier, target }) =>
        target === null &&
        isIn(importer, "shared", "enclave/core") &&
        !/^@(noble|chainsafe)\/(?!blst)/.test(specifier ?? ""),
    );
    none(wrong.map(({ importer, line, specifier }) => `${importer}:${line} ${specifier}`));
  });

  it("let the core reach nothing of the enclave but itself", () => {
    const wrong = IMPORTS.filter(
      ({ importer, target }) =>
        target !== null &&
        isIn(importer, "enclave/core") &&
        !isIn(target, "enclave/core", "shared"),
    );
    none(wrong.map(({ importer, line, target }) => `${importer}:${line} ${target}`));
  });

  it("reach every file: what nobody imports or starts is dead", () => {
    const alive = new Set(IMPORTS.map(({ target }) => target));
    const started = TEXTS.filter(
      ({ path }) => !path.endsWith(".md") && path !== "test/tidy/allowed.ts",
    )
      .map(({ text }) => text)
      .join("\n");
    const dead = CODE.map(({ path }) => path).filter(
      (path) =>
        !alive.has(path) &&
        !ENTRY_FILES.includes(path) &&
        !/\.(test|d)\.ts$/.test(path) &&
        // By its whole path, or as the end of a relative one in a string.
        !started.includes(path) &&
        !started.includes(`/${basename(path)}"`),
    );
    none(dead);
  });
});

describe("the core", () => {
  it("is synchronous: nothing can change between a check and its use", () => {
    const words = new Set(["async", "await", "Promise"]);
    const core = CODE.filter(
      ({ path }) => isIn(path, "enclave/core") && path !== "enclave/core/ports.ts",
    );
    const wrong = core.flatMap(({ path, text }) =>
      readTokens(text)
        .filter(({ kind, text: word }) => kind === "word" && words.has(word))
        .map(({ line, text: word }) => `${path}:${line} ${word}`),
    );
    none(wrong);
  });
});

describe("enclave and parent", () => {
  it("have no switch that weakens them", () => {
    const switches = /(^|[-_])(mock|insecure)([-_]|$)|^--?debug$|^debug(Mode)?$|^isDebug$/i;
    const wrong = CODE.filter(({ path }) => isIn(path, "enclave", "parent")).flatMap(
      ({ path, text }) =>
        readTokens(text)
          .filter(({ kind, text: word }) => kind === "word" && switches.test(word))
          .map(({ line, text: word }) => `${path}:${line} ${word}`),
    );
    none(wrong);
  });
});

describe("error codes", () => {
  it("have numbers that are unique, ascending and inside their block", () => {
    const wrong: string[] = [];
    let block = 0;
    let last = 0;
    const pattern = /^ {2}\/\/ (\d+): |^ {2}([A-Z0-9_]+): \{(?:\s*number: (\d+))?/gm;
    const numbers = new Map(Object.entries(ERRORS).map(([code, { number }]) => [code, number]));
    for (const [, head, code] of read("shared/errors.ts").matchAll(pattern)) {
      if (head !== undefined) {
        block = Number(head);
        continue;
      }
      const number = numbers.get(code ?? "");
      if (number === undefined) continue;
      numbers.delete(code ?? "");
      if (number <= last || number < block || number > block + 99) wrong.push(`${code} ${number}`);
      last = number;
    }
    none(wrong);
    assert.equal(numbers.size, 0, "every code was found in the text");
  });

  it("appear each in a test", () => {
    const tests = CODE.filter(
      ({ path }) => isIn(path, "test") && !isIn(path, "test/tidy") && path !== "test/tidy.test.ts",
    );
    const words = new Set(tests.flatMap(({ text }) => text.match(/\b[A-Z][A-Z0-9_]+\b/g) ?? []));
    const untested = Object.keys(ERRORS).filter((code) => !words.has(code));
    const allowed = new Set(UNTESTED_CODES);
    none(untested.filter((code) => !allowed.has(code)));
    // An exception that is not needed any more goes.
    none(UNTESTED_CODES.filter((code) => !untested.includes(code)));
  });
});

describe("packages", () => {
  it("are pinned to exact versions", () => {
    const versions = z.record(z.string(), z.string()).optional();
    const description = z
      .looseObject({
        dependencies: versions,
        devDependencies: versions,
        optionalDependencies: versions,
      })
      .parse(JSON.parse(read("package.json")));
    const all = Object.entries({
      ...description.dependencies,
      ...description.devDependencies,
      ...description.optionalDependencies,
    });
    none(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)).map(([name]) => name));
  });

  it("are locked by integrity and not by the address of a registry", () => {
    const entry = z.looseObject({
      resolved: z.string().optional(),
      integrity: z.string().optional(),
    });
    const lock = z
      .looseObject({ packages: z.record(z.string(), entry) })
      .parse(JSON.parse(read("package-lock.json")));
    const wrong = Object.entries(lock.packages).filter(
      ([name, { resolved, integrity }]) =>
        name !== "" && (resolved !== undefined || integrity?.startsWith("sha512-") !== true),
    );
    none(wrong.map(([name]) => name));
  });
});

describe("documents", () => {
  it("link only to what is there", () => {
    const broken = PAGES.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => {
        if (/^[a-z]+:/.test(link)) return [];
        const [file = "", anchor] = link.split("#");
        const target = file === "" ? path : posix.normalize(posix.join(dirname(path), file));
        if (!existsSync(join(ROOT, target))) return [`${path} -> ${link}`];
        const isFound = anchor === undefined || anchorsOf(read(target)).includes(anchor);
        return isFound ? [] : [`${path} -> ${link}`];
      }),
    );
    none(broken);
  });

  it("that the code cites are there", () => {
    const cited = CODE.flatMap(({ path, text }) =>
      [...text.matchAll(/\bdocs\/[a-z0-9/-]+\.md\b/g)].map(([name]) => ({ path, name })),
    );
    const missing = cited.filter(({ name }) => !existsSync(join(ROOT, name)));
    none(missing.map(({ path, name }) => `${path} cites ${name}`));
  });

  it("of decisions say the context, the choice and its cost", () => {
    const decisions = PAGES.filter(({ path }) => isIn(path, "docs/decisions"));
    assert.ok(decisions.length > 0);
    const wrong = decisions.filter(
      ({ path, text }) =>
        !/^\d{4}-[a-z0-9-]+\.md$/.test(basename(path)) ||
        ["Context", "Choice", "Cost"].some((title) => !text.includes(`\n## ${title}\n`)),
    );
    none(wrong.map(({ path }) => path));
    const numbers = decisions.map(({ path }) => basename(path).slice(0, 4));
    assert.equal(new Set(numbers).size, numbers.length, "numbers are not used twice");
  });

  it("name only commands that exist", () => {
    const { scripts } = z
      .looseObject({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(read("package.json")));
    const commands = new Set(
      CODE.filter(({ path }) => isIn(path, "scripts/cli"))
        .flatMap(({ text }) => [.../^ {2}name: "([a-z]+)",$/gm[Symbol.matchAll](text)])
        .map(([, name]) => name),
    );
    const pages = PAGES.filter(({ path }) => path === "README.md" || isIn(path, "docs", "deploy"));
    assert.ok(existsSync(join(ROOT, "README.md")), "README.md is there");
    const wrong = pages.flatMap(({ path, text }) => [
      ...[...text.matchAll(/\bnpm (?:run ([a-z:-]+)|(start|test)\b)/g)]
        .map(([, name, plain]) => name ?? plain ?? "")
        .filter((name) => !Object.hasOwn(scripts, name))
        .map((name) => `${path}: npm run ${name}`),
      ...[...text.matchAll(/(?:scripts\/|`)redoubt ([a-z]+)/g)]
        .filter(([, name]) => !commands.has(name))
        .map(([, name]) => `${path}: redoubt ${name}`),
      ...[...text.matchAll(/\b(?:scripts|test|enclave|parent|shared)\/[\w./-]*\.(?:ts|mjs|txt)\b/g)]
        .filter(([name]) => !PATHS.includes(name))
        .map(([name]) => `${path}: ${name}`),
    ]);
    none(wrong);
  });

  it("of npm scripts start files that are there", () => {
    const started = [...read("package.json").matchAll(/run\.mjs ([\w./-]+)/g)].map(
      ([, path]) => path ?? "",
    );
    none(started.filter((path) => !PATHS.includes(path)));
  });
});

/** Headings as GitHub turns them into anchors. */
function anchorsOf(page: string): readonly string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-"),
  );
}
