// The root of AWS Nitro attestation, generation 1, for the commercial partition (`aws`): subject
// and issuer C=US, O=Amazon, OU=AWS, CN=aws.nitro-enclaves; serial
// F93175681B90AFE11D46CCB4E4E7F856;
// 2019-10-28T13:28:05Z to 2049-10-28T14:28:05Z. AWS publishes it as AWS_NitroEnclaves_Root-G1.zip;
// the checksum of that page, 8cf60e2b...faff7c, is of the zip, not of the certificate. GovCloud and
// China have other roots. It must never be made configurable in the enclave: it is the trust
// anchor.

import { parseHex } from "../bytes/hex.ts";
import { invariant } from "../invariant.ts";

/** SHA-256 of the DER, checked against the bytes below in the tests. */
export const AWS_NITRO_ROOT_G1_SHA256 =
  "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";

const HEX = [
  "3082021130820196a003020102021100f93175681b90afe11d46ccb4e4e7f856300a06082a8648ce3d04030330",
  "49310b3009060355040613025553310f300d060355040a0c06416d617a6f6e310c300a060355040b0c03415753",
  "311b301906035504030c126177732e6e6974726f2d656e636c61766573301e170d313931303238313332383035",
  "5a170d3439313032383134323830355a3049310b3009060355040613025553310f300d060355040a0c06416d61",
  "7a6f6e310c300a060355040b0c03415753311b301906035504030c126177732e6e6974726f2d656e636c617665",
  "733076301006072a8648ce3d020106052b8104002203620004fc0254eba608c1f36870e29ada90be4638329273",
  "6e894bfff672d989444b5051e534a4b1f6dbe3c0bc581a32b7b176070ede12d69a3fea211b66e752cf7dd1dd09",
  "5f6f1370f4170843d9dc100121e4cf63012809664487c9796284304dc53ff4a3423040300f0603551d130101ff",
  "040530030101ff301d0603551d0e041604149025b50dd90547e796c396fa729dcf99a9df4b96300e0603551d0f",
  "0101ff040403020186300a06082a8648ce3d0403030369003066023100a37f2f91a1c9bd5ee7b8627c1698d255",
  "038e1f0343f95b63a9628c3d39809545a11ebcbf2e3b55d8aeee71b4c3d6adf3023100a2f39b1605b27028a5dd",
  "4ba069b5016e65b4fbde8fe0061d6a53197f9cdaf5d943bc61fc2beb03cb6fee8d2302f3dff6",
].join("");

function decode(): Uint8Array {
  const parsed = parseHex(HEX, 533);
  invariant(parsed.ok, "the pinned root is hex");
  return parsed.value;
}

/** audit A6: DER of the certificate. */
export const AWS_NITRO_ROOT_G1: Uint8Array = decode();
