//! Builds and describes EIF files with the library that nitro-cli is made of. Decides nothing
//! itself, so that what it prints is what nitro-cli would print.
//!
//!   eif-oracle build FOLDER    reads FOLDER/order.json and the files it names, writes FOLDER/out.eif
//!                              and prints the measurements
//!   eif-oracle sign FOLDER     signs FOLDER/out.eif, or signs it anew, as `nitro-cli sign-eif` does
//!   eif-oracle describe FILE   prints what `nitro-cli describe-eif` prints (its describe_eif())
//!   eif-oracle header FILE     prints the header's fields
//!   eif-oracle check FILE      runs the check of signature and certificate of run-enclave

use aws_nitro_enclaves_image_format::defs::EifIdentityInfo;
use aws_nitro_enclaves_image_format::utils::eif_reader::{EifReader, SignCertificateInfo};
use aws_nitro_enclaves_image_format::utils::{
    EifBuilder, EifSigner, PcrSignatureChecker, SignKeyData,
};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use sha2::{Digest, Sha384};
use std::collections::BTreeMap;
use std::fs::{read, OpenOptions};
use std::path::Path;

type Outcome<T> = Result<T, String>;

/// What to build. Files are names inside the folder.
#[derive(Deserialize)]
struct Order {
    flags: u16,
    cmdline: String,
    ramdisks: Vec<String>,
    metadata: EifIdentityInfo,
    sign: bool,
}

/// The fields of nitro-cli's EifDescribeInfo, in its order (src/common/json_output.rs).
#[derive(Serialize)]
struct Description {
    #[serde(rename = "EifVersion")]
    version: u16,
    #[serde(rename = "Measurements")]
    measurements: BTreeMap<String, String>,
    #[serde(rename = "IsSigned")]
    is_signed: bool,
    #[serde(rename = "SigningCertificate", skip_serializing_if = "Option::is_none")]
    certificate: Option<SignCertificateInfo>,
    #[serde(rename = "CheckCRC")]
    crc_check: bool,
    #[serde(rename = "SignatureCheck", skip_serializing_if = "Option::is_none")]
    sign_check: Option<bool>,
    #[serde(rename = "ImageName", skip_serializing_if = "Option::is_none")]
    image_name: Option<String>,
    #[serde(rename = "ImageVersion", skip_serializing_if = "Option::is_none")]
    image_version: Option<String>,
    #[serde(rename = "Metadata", skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

/// nitro-cli's MetadataDescribeInfo.
#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "BuildTime")]
    build_time: String,
    #[serde(rename = "BuildTool")]
    build_tool: String,
    #[serde(rename = "BuildToolVersion")]
    tool_version: String,
    #[serde(rename = "OperatingSystem")]
    operating_system: String,
    #[serde(rename = "KernelVersion")]
    kernel_version: String,
    #[serde(rename = "DockerInfo")]
    docker_info: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    #[serde(rename = "CustomMetadata")]
    #[serde(flatten)]
    custom_metadata: Value,
}

impl Metadata {
    fn new(info: EifIdentityInfo) -> Self {
        Metadata {
            build_time: info.build_info.build_time,
            build_tool: info.build_info.build_tool,
            tool_version: info.build_info.build_tool_version,
            operating_system: info.build_info.img_os,
            kernel_version: info.build_info.img_kernel,
            docker_info: info.docker_info,
            custom_metadata: info.custom_info,
        }
    }
}

fn build(folder: &Path) -> Outcome<Value> {
    let text = read(folder.join("order.json")).map_err(|e| e.to_string())?;
    let order: Order = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    let signer = match order.sign {
        true => Some(sign_info(folder)?),
        false => None,
    };
    let mut builder = EifBuilder::new(
        &folder.join("kernel"),
        order.cmdline,
        signer,
        Sha384::new(),
        order.flags,
        order.metadata,
    );
    for ramdisk in &order.ramdisks {
        builder.add_ramdisk(&folder.join(ramdisk));
    }
    let mut output = OpenOptions::new()
        .read(true)
        .create(true)
        .write(true)
        .truncate(true)
        .open(folder.join("out.eif"))
        .map_err(|e| e.to_string())?;
    Ok(json!(builder.write_to(&mut output)))
}

fn sign_info(folder: &Path) -> Outcome<SignKeyData> {
    let key = folder.join("key.pem");
    let key = key.to_str().ok_or("a path that is no text")?;
    SignKeyData::new(key, &folder.join("certificate.pem"))
}

/// As nitro-cli's sign_eif().
fn sign(folder: &Path) -> Outcome<Value> {
    let file = folder.join("out.eif");
    let file = file.to_str().ok_or("a path that is no text")?;
    let signer = EifSigner::new(Some(sign_info(folder)?)).ok_or("no signer")?;
    signer.sign_image(file)?;
    Ok(json!({ "signed": true }))
}

/// As nitro-cli's describe_eif() (src/lib.rs).
fn describe(path: &str) -> Outcome<Value> {
    let mut reader = EifReader::from_eif(path.to_string())?;
    let measurements = reader.get_measurements()?;
    let metadata = reader.get_metadata();
    let is_signed = measurements.contains_key("PCR8");
    let certificate = match is_signed {
        true => Some(reader.get_certificate_info(measurements.clone())?),
        false => None,
    };
    let description = Description {
        version: reader.get_header().version,
        measurements,
        is_signed,
        certificate,
        crc_check: reader.check_crc(),
        sign_check: reader.sign_check,
        image_name: metadata.as_ref().map(|info| info.img_name.clone()),
        image_version: metadata.as_ref().map(|info| info.img_version.clone()),
        metadata: metadata.map(Metadata::new),
    };
    // As text and not as a Value: a Value would lose the order of the fields.
    println!(
        "{}",
        serde_json::to_string_pretty(&description).map_err(|e| e.to_string())?
    );
    Ok(Value::Null)
}

fn header(path: &str) -> Outcome<Value> {
    let header = EifReader::from_eif(path.to_string())?.get_header();
    let count = usize::from(header.num_sections);
    Ok(json!({
        "version": header.version,
        "flags": header.flags,
        "defaultMem": header.default_mem,
        "defaultCpus": header.default_cpus,
        "reserved": header.reserved,
        "offsets": header.section_offsets[..count],
        "sizes": header.section_sizes[..count],
        "unused": header.unused,
        "crc32": header.eif_crc32,
    }))
}

fn check(path: &str) -> Outcome<Value> {
    let mut checker = PcrSignatureChecker::from_eif(path)?;
    if checker.is_empty() {
        return Ok(json!({ "signed": false }));
    }
    checker.verify()?;
    Ok(json!({ "signed": true }))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["build", folder] => build(Path::new(folder)),
        ["sign", folder] => sign(Path::new(folder)),
        ["describe", file] => describe(file),
        ["header", file] => header(file),
        ["check", file] => check(file),
        _ => Err("usage: eif-oracle build|sign FOLDER | describe|header|check FILE".to_string()),
    };
    match outcome {
        Ok(Value::Null) => {}
        Ok(value) => println!("{value}"),
        Err(text) => {
            eprintln!("eif-oracle: {text}");
            std::process::exit(1);
        }
    }
}
