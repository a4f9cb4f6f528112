// `npm run test:image`: the promises of docs/image.md. Builds the image twice in different
// surroundings and compares every byte; builds Dockerfile.enclave with buildah and compares its
// file system with ours; looks at what is in it; starts its Node in it.
//
// Kernel, init and driver of AWS are not needed for that: arbitrary bytes stand in for them, so
// that the measurements printed here are of no real image.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { describeClosure } from "../../scripts/closure/list.ts";
import { ARCH_NAMES } from "../../scripts/image/arch.ts";
import { IMAGE_ENVIRONMENT, imageCommand } from "../../scripts/image/command.ts";
import { encodeCpio, parseCpio } from "../../scripts/image/cpio.ts";
import { parseEif } from "../../scripts/image/eif.ts";
import { fetchInputs } from "../../scripts/image/fetch-inputs.ts";
import { buildImageTree } from "../../scripts/image/image.ts";
import { type ImageInputs, openInputs } from "../../scripts/image/inputs.ts";
import { encodeProgramRamdisk, ROOTFS_FOLDER } from "../../scripts/image/ramdisk.ts";
import { imageClosure, MOUNT_POINTS } from "../../scripts/image/rootfs.ts";
import { type TreeEntry, writeTree } from "../../scripts/image/tree.ts";
import { requireRebuilt } from "../../scripts/release/rebuild.ts";
import { parseRelease } from "../../scripts/release/record.ts";
import { Buildah, requireBuildah } from "./buildah.ts";
import { buildInClone, makeClone, type Surroundings } from "./clone.ts";
import { expectedFiles, listFiles } from "./file-status.ts";
import { ResultList } from "./result-list.ts";
import { openTestInputs } from "./test-inputs.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const STRAYS: readonly string[] = [
  ".env",
  "build/vsock.node",
  "enclave/stray.ts",
  "node_modules/stray/index.js",
  "node_modules/@noble/hashes/stray.js",
];

const results = new ResultList();

function makeBlobs(folder: string, inputs: ImageInputs): void {
  mkdirSync(folder);
  const { kernelFile } = ARCH_NAMES[inputs.arch];
  writeFileSync(join(folder, "cmdline"), "reboot=k panic=30 pci=off\n");
  for (const name of [kernelFile, "init", "nsm.ko"]) {
    writeFileSync(join(folder, name), createHash("sha512").update(name).digest());
  }
}

/** Two clones that have as little in common as they can. */
function surroundingsIn(folder: string): readonly [Surroundings, Surroundings] {
  return [
    {
      folder: join(folder, "one"),
      umask: "022",
      environment: { TZ: "UTC", LC_ALL: "C" },
      unixSeconds: 1_000_000_000,
      strays: [],
    },
    {
      folder: join(folder, "another folder/with a longer path"),
      umask: "077",
      environment: {
        TZ: "Asia/Kathmandu",
        LC_ALL: "tr_TR.UTF-8",
        CPATH: "/nowhere",
        CFLAGS: "-O0",
        SOURCE_DATE_EPOCH: "1234567890",
      },
      unixSeconds: 1_700_000_000,
      strays: STRAYS,
    },
  ];
}

function buildTwice(
  clones: readonly Surroundings[],
  blobs: string,
  inputs: ImageInputs,
  inputsFolder: string,
): Uint8Array {
  for (const around of clones) makeClone(inputs, inputsFolder, around);
  const here = encodeProgramRamdisk(buildImageTree(inputs));
  const [first = new Uint8Array(), second] = clones.map((around) => {
    const file = join(around.folder, "redoubt.eif");
    results.note(`# ${buildInClone(around, ["--blobs", blobs, "--out", file, "--json"]).trim()}`);
    return new Uint8Array(readFileSync(file));
  });
  results.check("two builds in different surroundings give the same bytes", () => {
    assert.ok(first.length > 0 && second !== undefined && Buffer.from(first).equals(second));
  });
  results.check("the repository's own folder gives the same ramdisk", () => {
    assert.ok(Buffer.from(here).equals(programRamdisk(first)));
  });
  return first;
}

function programRamdisk(file: Uint8Array): Uint8Array {
  const eif = parseEif(file);
  assert.ok(eif.ok);
  return eif.value.ramdisks[1] ?? new Uint8Array();
}

function readRamdisk(bytes: Uint8Array): readonly TreeEntry[] {
  const tree = parseCpio(bytes);
  assert.ok(tree.ok);
  return tree.value;
}

function textOf(tree: readonly TreeEntry[], path: string): string {
  const entry = tree.find((candidate) => candidate.path === path);
  return entry?.kind === "file" ? Buffer.from(entry.content).toString("utf8") : "";
}

function checkRamdisk(ramdisk: readonly TreeEntry[]): void {
  results.check("init finds the command and its environment, a line for each word", () => {
    assert.deepEqual(textOf(ramdisk, "cmd").split("\n").slice(0, -1), imageCommand());
    assert.deepEqual(textOf(ramdisk, "env").split("\n").slice(0, -1), IMAGE_ENVIRONMENT);
  });
}

/** The root file system in the second ramdisk. */
function rootfsOf(ramdisk: readonly TreeEntry[]): readonly TreeEntry[] {
  const prefix = `${ROOTFS_FOLDER}/`;
  return ramdisk
    .filter(({ path }) => path.startsWith(prefix))
    .map((entry) => ({ ...entry, path: entry.path.slice(prefix.length) }));
}

/** What may be in the image beside the closure. */
function checkContent(root: string, tree: readonly TreeEntry[]): void {
  const closure = imageClosure(root);
  results.note(`# ${describeClosure(closure)}`);
  const files = tree.filter(({ kind }) => kind === "file").map(({ path }) => path);
  results.check("every file of the program is in the closure, or tells of a package", () => {
    const known = new Set([...closure.files, ...closure.addons.map(({ path }) => path)]);
    const natives = closure.natives.map(({ name }) => `app/node_modules/${name}/`);
    const others = files
      .filter((path) => path.startsWith("app/") && !known.has(path.slice("app/".length)))
      .filter((path) => !path.endsWith("/package.json"))
      .filter((path) => !natives.some((prefix) => path.startsWith(prefix)));
    assert.deepEqual(others, []);
  });
  results.check("machine code of one native package is in it, and not that of others", () => {
    const native = files.filter((path) => path.endsWith(".node") && path.includes("node_modules"));
    assert.equal(native.length, 1);
  });
  results.check("beside the program there are Node, its loader and libraries, nothing else", () => {
    const others = files.filter((path) => !path.startsWith("app/") && path !== "bin/node");
    assert.deepEqual(
      others.filter(
        (path) => !/^(usr\/)?lib(64)?\/([a-z0-9_]+-linux-gnu\/)?[^/]+\.so\.[0-9.]+$/.test(path),
      ),
      [],
    );
    assert.ok(others.length > 4 && others.length < 16);
  });
  results.check("only Node and the loader may be executed, and there is no shell", () => {
    const programs = tree.filter((entry) => entry.kind === "file" && entry.mode === 0o755);
    const names = programs.map(({ path }) => path.replace(/^.*\//, ""));
    assert.deepEqual(
      names.filter(
        (name) => name !== "node" && !name.startsWith("ld-linux") && !/\.so\./.test(name),
      ),
      [],
    );
  });
  results.check("the mount points are there and empty", () => {
    for (const path of MOUNT_POINTS) {
      assert.ok(
        tree.some((entry) => entry.path === path && entry.kind === "folder"),
        path,
      );
      assert.ok(!tree.some((entry) => entry.path.startsWith(`${path}/`)), path);
    }
  });
}

/** What only a container's image has, and ours has not: nothing, so far. */
const DIFFERENT_IN_DOCKER: readonly string[] = [];

function checkDocker(
  folder: string,
  context: string,
  inputs: ImageInputs,
  tree: readonly TreeEntry[],
): void {
  const obstacle = requireBuildah();
  if (obstacle !== null) {
    results.skip("Dockerfile.enclave builds the same file system", obstacle);
    return;
  }
  const buildah = new Buildah(folder);
  try {
    buildah.makeBase(inputs.arch, join(inputs.debs.cacheFolder, "apt"));
    const image = buildah.build(context);
    const found = listFiles(image.folder).filter(({ path }) => !DIFFERENT_IN_DOCKER.includes(path));
    results.check("Dockerfile.enclave builds the same file system", () => {
      const strip = ({ path, kind, mode, owner, content }: (typeof found)[number]) =>
        `${path} ${kind} ${mode} ${owner} ${content}`;
      assert.deepEqual(found.map(strip), expectedFiles(tree).map(strip));
    });
    results.check("every time in the container's image is zero", () => {
      assert.deepEqual(
        found.filter(({ modifiedSeconds }) => modifiedSeconds !== 0),
        [],
      );
    });
    results.check(
      "the container's image runs the same command, as root, from no entry point",
      () => {
        const { command, entrypoint, user } = image.config;
        assert.deepEqual(command, imageCommand());
        assert.deepEqual([entrypoint, user], [undefined, undefined]);
      },
    );
  } catch (error) {
    results.fail("Dockerfile.enclave is built", error instanceof Error ? error.message : "");
  } finally {
    buildah.close();
  }
}

/** An image with one file more measures differently, and gets no release record. */
function checkRelease(ramdisk: Uint8Array, inputs: ImageInputs): void {
  results.check("the image is what this source builds to, so that it may be released", () => {
    requireRebuilt(ramdisk, inputs);
  });
  results.check("an image with a file more is not, and the file is named", () => {
    const preload: TreeEntry = {
      kind: "file",
      path: `${ROOTFS_FOLDER}/var/ld.so.preload`,
      mode: 0o644,
      content: new Uint8Array(),
    };
    const more = encodeCpio([...readRamdisk(ramdisk), preload]);
    assert.throws(() => requireRebuilt(more, inputs), /\/rootfs\/var\/ld\.so\.preload as well/);
  });
}

/** The program as a maintainer runs it. It knows no lock but the committed one. */
function checkReleaseProgram(folder: string, file: Uint8Array, inputs: ImageInputs): void {
  if (!isDeepStrictEqual(inputs.lock, openInputs(ROOT, inputs.arch).lock)) {
    results.note("# not run: the release program: this image is not of the committed lock");
    return;
  }
  results.check("the release program writes the record of the image", () => {
    const [eif, out, sbom] = ["image.eif", "release.json", "sbom.json"].map((n) => join(folder, n));
    assert.ok(eif !== undefined && out !== undefined && sbom !== undefined);
    writeFileSync(eif, file);
    const args = ["--eif", eif, "--out", out, "--sbom", sbom, "--allow-dirty"];
    const { status, stderr } = spawnSync(
      process.execPath,
      ["--no-warnings", "scripts/release.ts", ...args],
      { cwd: ROOT, encoding: "utf8" },
    );
    assert.equal(status, 0, stderr);
    const release = parseRelease(readFileSync(out));
    assert.ok(release.ok);
    assert.equal(release.value.eif.sha384, createHash("sha384").update(file).digest("hex"));
    assert.equal(release.value.sbom?.file, "sbom.json");
  });
}

/** A file that shadows one of a package would be loaded instead of it. */
function checkTampering(around: Surroundings): void {
  const path = join(around.folder, "node_modules/@chainsafe/blst/index.js");
  const published = readFileSync(path);
  results.check("a package that was changed after it was installed is refused", () => {
    // Its number of lines, which the closure list has, stays what it was.
    writeFileSync(path, `/* changed */ ${published.toString("utf8")}`);
    assert.throws(
      () => buildInClone(around, ["--rootfs-only", join(around.folder, "never")]),
      /changed since it was installed/,
    );
  });
}

/** Runs what the image runs, with its files and no others. */
function checkStart(folder: string, tree: readonly TreeEntry[]): void {
  if (process.getuid?.() !== 0) {
    results.skip("Node starts in the image's file system", "run as root: it takes chroot");
    return;
  }
  writeTree(folder, tree);
  const run = (command: readonly string[]) =>
    spawnSync("chroot", [folder, ...command], {
      env: { PATH: "/usr/sbin:/usr/bin" },
      encoding: "utf8",
      timeout: 60_000,
    });
  results.check("Node starts in the image's file system", () => {
    const { status, stdout, stderr } = run(["/bin/node", "--version"]);
    assert.equal(status, 0, stderr);
    assert.equal(stdout.trim(), process.version);
  });
  results.check("the program loads its addons there, and refuses without an NSM", () => {
    const { status, stdout, stderr } = run(imageCommand());
    assert.equal(status, 1, stderr);
    assert.equal(stdout, "enclave: NSM_UNAVAILABLE\n");
  });
}

function main(): number {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-image-"));
  try {
    const inputs = openTestInputs(ROOT, (line) => results.note(line));
    const inputsFolder = join(folder, "inputs");
    fetchInputs(inputs, inputsFolder);
    const blobs = join(folder, "blobs");
    makeBlobs(blobs, inputs);
    const clones = surroundingsIn(folder);
    const file = buildTwice(clones, blobs, inputs, inputsFolder);
    const ramdisk = readRamdisk(programRamdisk(file));
    checkRamdisk(ramdisk);
    checkRelease(programRamdisk(file), inputs);
    checkReleaseProgram(folder, file, inputs);
    const tree = rootfsOf(ramdisk);
    checkContent(clones[0].folder, tree);
    checkStart(join(folder, "rootfs"), tree);
    checkDocker(join(folder, "buildah"), clones[0].folder, inputs, tree);
    checkTampering(clones[1]);
  } catch (error) {
    results.fail("the image is built", error instanceof Error ? error.message : String(error));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return results.end();
}

process.exitCode = main();
