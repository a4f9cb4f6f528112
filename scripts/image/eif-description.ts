// What `nitro-cli describe-eif` prints about a file: the same JSON, so that scripts can take either
// program. It must never say less than nitro-cli does about a check that failed.

import { type CertificateDescription, describeCertificate } from "./certificate-description.ts";
import { type Eif, isChecksumRight } from "./eif.ts";
import { EIF_VERSION } from "./eif-header.ts";
import type { EifMetadata } from "./eif-metadata.ts";
import { isSignatureRight } from "./eif-signature.ts";
import { isJsonObject, type JsonValue } from "./json-text.ts";
import { listMeasurement, type Measurement } from "./measurement.ts";

export type EifDescription = {
  readonly EifVersion: number;
  readonly Measurements: Readonly<Record<string, string>>;
  readonly IsSigned: boolean;
  readonly SigningCertificate?: CertificateDescription;
  readonly CheckCRC: boolean;
  readonly SignatureCheck?: boolean;
  readonly ImageName?: string;
  readonly ImageVersion?: string;
  readonly Metadata?: Readonly<Record<string, JsonValue>>;
};

/** As Rust prints the type for debugging. Since 1.5.0 nitro-cli says `Sha512_48 { .. }`. */
const HASH_ALGORITHM = "Sha384 { ... }";

export function describeEif(file: Uint8Array, eif: Eif, measurement: Measurement): EifDescription {
  const { metadata, signature } = eif;
  const signing =
    signature === null ? {} : { SigningCertificate: describeCertificate(signature.certificate) };
  const check =
    signature === null ? {} : { SignatureCheck: isSignatureRight(signature, measurement.pcr0) };
  return {
    EifVersion: EIF_VERSION,
    Measurements: {
      HashAlgorithm: HASH_ALGORITHM,
      ...Object.fromEntries(listMeasurement(measurement)),
    },
    IsSigned: signature !== null,
    ...signing,
    CheckCRC: isChecksumRight(file, eif),
    ...check,
    ...(metadata === null ? {} : describeMetadata(metadata)),
  };
}

function describeMetadata(metadata: EifMetadata) {
  const custom = metadata.customMetadata;
  return {
    ImageName: metadata.imageName,
    ImageVersion: metadata.imageVersion,
    Metadata: {
      BuildTime: metadata.buildTime,
      BuildTool: metadata.buildTool,
      BuildToolVersion: metadata.buildToolVersion,
      OperatingSystem: metadata.operatingSystem,
      KernelVersion: metadata.kernelVersion,
      DockerInfo: metadata.dockerInfo,
      // nitro-cli lays the user's own fields beside these, and fails on what is no object.
      ...(isJsonObject(custom) ? custom : {}),
    },
  };
}
