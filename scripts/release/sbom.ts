// The bill of materials of an image, in CycloneDX 1.6 JSON: what of others is in it, with versions,
// licences and hashes. The same image always gives the same bytes: no time, no serial number.

import { Buffer } from "node:buffer";
import { ARCH_NAMES } from "../image/arch.ts";
import { filesDigest, sha384Hex } from "./digest.ts";
import type { ImageContent } from "./image-content.ts";
import type { Inventory, PackageEntry } from "./inventory.ts";

type Component = {
  readonly type: "application" | "file" | "library" | "platform";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version?: string;
  readonly hashes: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly unknown[];
  readonly purl?: string;
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
};

/** An SPDX identifier; anything else that reads like one or several is an expression. */
const SPDX_ID = /^[A-Za-z0-9][A-Za-z0-9.-]*\+?$/;
const SPDX_EXPRESSION = /^[A-Za-z0-9.+() -]+$/;

export function encodeSbom(inventory: Inventory, image: ImageContent, commit: string): string {
  const main = mainComponent(inventory, commit);
  const components = [
    nodeComponent(inventory, image),
    ...inventory.packages.map(npmComponent),
    ...debianComponents(inventory, image),
    fileComponent("kernel", image.kernel),
    fileComponent("init", image.init),
    fileComponent("nsm.ko", image.nsmDriver),
  ];
  const references = components.map((component) => component["bom-ref"]);
  const sbom = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: main },
    components,
    dependencies: [
      { ref: main["bom-ref"], dependsOn: references },
      ...references.map((ref) => ({ ref })),
    ],
  };
  return `${JSON.stringify(sbom, null, 2)}\n`;
}

function mainComponent(inventory: Inventory, commit: string): Component {
  const { version, licence, files } = inventory;
  const own = files.filter(({ path }) => !path.startsWith("node_modules/"));
  return {
    type: "application",
    "bom-ref": "redoubt",
    name: "redoubt",
    version,
    hashes: [{ alg: "SHA-384", content: filesDigest(own) }],
    licenses: licencesOf(licence),
    properties: [{ name: "redoubt:commit", value: commit }],
  };
}

function nodeComponent({ node }: Inventory, image: ImageContent): Component {
  const purl = npmPurl(node);
  return {
    type: "platform",
    "bom-ref": purl,
    name: node.name,
    version: node.version,
    hashes: [{ alg: "SHA-512", content: integrityHex(node.integrity) }],
    purl,
    properties: [{ name: "redoubt:binary:sha384", value: sha384Hex(image.node) }],
  };
}

function npmComponent(entry: PackageEntry): Component {
  const { name, version, integrity, licence } = entry;
  const purl = npmPurl(entry);
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    hashes: [{ alg: "SHA-512", content: integrityHex(integrity) }],
    ...(licence === null ? {} : { licenses: licencesOf(licence) }),
    purl,
  };
}

function debianComponents(inventory: Inventory, image: ImageContent): readonly Component[] {
  const { debian } = ARCH_NAMES[image.arch];
  return inventory.basePackages.map(({ name, version, sha256 }) => {
    const encoded = encodeURIComponent(version).replaceAll("~", "%7E");
    const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encoded}?arch=${debian}&distro=debian-12`;
    return {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      hashes: [{ alg: "SHA-256", content: sha256 }],
      purl,
    };
  });
}

/** AWS's blobs have no version of their own. */
function fileComponent(name: string, content: Uint8Array): Component {
  const hashes = [{ alg: "SHA-384", content: sha384Hex(content) }];
  return { type: "file", "bom-ref": `file:${name}`, name, hashes };
}

function npmPurl({ name, version }: { readonly name: string; readonly version: string }): string {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return `pkg:npm/${path}@${encodeURIComponent(version)}`;
}

function integrityHex(integrity: string): string {
  return Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex");
}

function licencesOf(licence: string): readonly unknown[] {
  if (SPDX_ID.test(licence)) return [{ license: { id: licence } }];
  if (SPDX_EXPRESSION.test(licence)) return [{ expression: licence }];
  return [{ license: { name: licence } }];
}
