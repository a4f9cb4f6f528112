// The metadata section of an EIF: JSON that says what an image is called and what built it, in the
// fields of the official library. Nothing measures it: whoever carries the file can write into it
// what he likes. It must never decide anything.

import { invariant } from "../../shared/invariant.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { encodeJson, isJsonObject, type JsonValue, parseJson } from "./json-text.ts";

export type EifMetadata = {
  readonly imageName: string;
  readonly imageVersion: string;
  /** RFC 3339. A build that is to be repeated states a time of its own, not the clock's. */
  readonly buildTime: string;
  readonly buildTool: string;
  readonly buildToolVersion: string;
  readonly operatingSystem: string;
  readonly kernelVersion: string;
  /** What Docker says of the image it was made from; otherwise null. */
  readonly dockerInfo: JsonValue;
  readonly customMetadata: JsonValue;
};

/** nitro-cli puts the whole description that Docker has into it. */
export const METADATA_BYTES_MAX = 1024 * 1024;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The same bytes as the official library writes, fields in its order. */
export function encodeEifMetadata(metadata: EifMetadata): Uint8Array<ArrayBuffer> {
  const build = encodeMembers([
    ["BuildTime", encodeJson(metadata.buildTime)],
    ["BuildTool", encodeJson(metadata.buildTool)],
    ["BuildToolVersion", encodeJson(metadata.buildToolVersion)],
    ["OperatingSystem", encodeJson(metadata.operatingSystem)],
    ["KernelVersion", encodeJson(metadata.kernelVersion)],
  ]);
  const text = encodeMembers([
    ["ImageName", encodeJson(metadata.imageName)],
    ["ImageVersion", encodeJson(metadata.imageVersion)],
    ["BuildMetadata", build],
    ["DockerInfo", encodeJson(metadata.dockerInfo)],
    ["CustomMetadata", encodeJson(metadata.customMetadata)],
  ]);
  const bytes = new TextEncoder().encode(text);
  invariant(parseEifMetadata(bytes).ok, "metadata that can be read again");
  return bytes;
}

function encodeMembers(members: readonly (readonly [name: string, encoded: string])[]): string {
  return `{${members.map(([name, encoded]) => `"${name}":${encoded}`).join(",")}}`;
}

/** All the fields that nitro-cli demands. Others may be there: it skips them, and so do we. */
export function parseEifMetadata(bytes: Uint8Array): Result<EifMetadata, "EIF_METADATA"> {
  const root = bytes.length <= METADATA_BYTES_MAX ? readJson(bytes) : undefined;
  if (!isJsonObject(root)) return err("EIF_METADATA");
  const build = root["BuildMetadata"];
  if (!isJsonObject(build)) return err("EIF_METADATA");
  const dockerInfo = root["DockerInfo"];
  const customMetadata = root["CustomMetadata"];
  const texts = [
    root["ImageName"],
    root["ImageVersion"],
    build["BuildTime"],
    build["BuildTool"],
    build["BuildToolVersion"],
    build["OperatingSystem"],
    build["KernelVersion"],
  ];
  if (dockerInfo === undefined || customMetadata === undefined) return err("EIF_METADATA");
  if (!isTexts(texts)) return err("EIF_METADATA");
  const [
    imageName = "",
    imageVersion = "",
    buildTime = "",
    buildTool = "",
    buildToolVersion = "",
    operatingSystem = "",
    kernelVersion = "",
  ] = texts;
  return ok({
    imageName,
    imageVersion,
    buildTime,
    buildTool,
    buildToolVersion,
    operatingSystem,
    kernelVersion,
    dockerInfo,
    customMetadata,
  });
}

function isTexts(values: readonly (JsonValue | undefined)[]): values is readonly string[] {
  return values.every((value) => typeof value === "string");
}

function readJson(bytes: Uint8Array): JsonValue | undefined {
  try {
    const parsed = parseJson(strictUtf8.decode(bytes));
    return parsed.ok ? parsed.value : undefined;
  } catch {
    return undefined;
  }
}
