import assert from "node:assert/strict";
import { test } from "node:test";
import { parseKeyArn } from "../../../shared/key-arn.ts";

const ID = "1234abcd-12ab-34cd-56ef-1234567890ab";

test("parseKeyArn takes the ARN of a key and derives its host from partition and region", () => {
  const hosts: Readonly<Record<string, string>> = {
    [`arn:aws:kms:eu-central-1:111122223333:key/${ID}`]: "kms.eu-central-1.amazonaws.com",
    [`arn:aws:kms:ap-southeast-2:111122223333:key/mrk-${"0a".repeat(16)}`]:
      "kms.ap-southeast-2.amazonaws.com",
    [`arn:aws-cn:kms:cn-north-1:111122223333:key/${ID}`]: "kms.cn-north-1.amazonaws.com.cn",
    [`arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/${ID}`]: "kms.us-gov-west-1.amazonaws.com",
  };
  for (const [arn, host] of Object.entries(hosts)) {
    const parsed = parseKeyArn(arn);
    assert(parsed.ok, arn);
    assert.equal(parsed.value.host, host);
    assert.equal(parsed.value.text, arn);
  }
});

for (const arn of [
  "",
  ID,
  `alias/redoubt`,
  `arn:aws:kms:eu-central-1:111122223333:alias/redoubt`,
  `arn:aws:kms:eu-central-1:111122223333:key/alias`,
  `arn:aws:kms:eu-central-1:111122223333:key/${ID.toUpperCase()}`,
  `arn:aws:kms:eu-central-1:111122223333:key/${ID}0`,
  `arn:aws:kms:eu-central-1:111122223333:key/mrk-${"0a".repeat(15)}`,
  `arn:aws:kms:eu-central-1:11112222333:key/${ID}`,
  `arn:aws:kms::111122223333:key/${ID}`,
  `arn:aws:kms:evil.example.com:111122223333:key/${ID}`,
  `arn:aws:kms:eu-central-1.evil:111122223333:key/${ID}`,
  `arn:aws:sts:eu-central-1:111122223333:key/${ID}`,
  `arn:aws-iso:kms:us-iso-east-1:111122223333:key/${ID}`,
  `arn:aws:kms:cn-north-1:111122223333:key/${ID}`,
  `arn:aws:kms:us-gov-west-1:111122223333:key/${ID}`,
  `arn:aws:kms:us-iso-east-1:111122223333:key/${ID}`,
  `arn:aws-cn:kms:eu-central-1:111122223333:key/${ID}`,
  `arn:aws-us-gov:kms:us-east-1:111122223333:key/${ID}`,
  ` arn:aws:kms:eu-central-1:111122223333:key/${ID}`,
  `arn:aws:kms:eu-central-1:111122223333:key/${ID}\n`,
]) {
  test(`parseKeyArn refuses ${JSON.stringify(arn)}`, () => {
    assert(!parseKeyArn(arn).ok);
  });
}
