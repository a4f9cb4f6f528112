"""Reads and writes the records of one key as another program would that knows docs/records.md.

Written apart from our code, with boto3: its signatures, its JSON, Python's hashes. Takes one JSON
object on stdin and prints one:

  {"act": "read"}                            the item and what its record says
  {"act": "vote", "source", "target", "root"}  the next record, with that vote
  {"act": "forge"}                           the next record, with a tag of no key of ours
  {"act": "extend"}                          the same record, with an attribute that is not ours
"""

import hashlib
import hmac
import json
import os
import struct
import sys
import time

import boto3
from botocore.config import Config

FLAG_BLOCK, FLAG_BLOCK_ROOT, FLAG_VOTE, FLAG_VOTE_ROOT = 1, 2, 4, 8


def head_of(kind: int, count: int) -> bytes:
    """The first bytes of a CBOR item."""
    if count < 24:
        return bytes([kind << 5 | count])
    for extra, form, limit in ((24, ">B", 1 << 8), (25, ">H", 1 << 16), (26, ">I", 1 << 32)):
        if count < limit:
            return bytes([kind << 5 | extra]) + struct.pack(form, count)
    return bytes([kind << 5 | 27]) + struct.pack(">Q", count)


def cbor(value: object) -> bytes:
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head_of(0, value)
    if isinstance(value, bytes):
        return head_of(2, len(value)) + value
    if isinstance(value, str):
        return head_of(3, len(value.encode())) + value.encode()
    assert isinstance(value, list)
    return head_of(4, len(value)) + b"".join(cbor(each) for each in value)


class Owner:
    def __init__(self, wish: dict) -> None:
        self.scope = bytes.fromhex(wish["scope"])
        self.public_key = bytes.fromhex(wish["publicKey"])
        self.record_key = bytes.fromhex(wish["recordKey"])

    def tag(self, untagged: bytes) -> bytes:
        message = b"redoubt record v1\0" + self.scope + self.public_key + untagged
        return hmac.new(self.record_key, message, hashlib.sha256).digest()

    def head(self, receipt: bytes) -> bytes:
        message = b"redoubt receipt v1\0" + self.scope + self.public_key + receipt
        return hashlib.sha256(message).digest()


def open_record(owner: Owner, item: dict) -> dict:
    record, receipt = item["r"]["B"], item["p"]["B"]
    untagged, tag = record[:-32], record[-32:]
    seq = struct.unpack(">Q", untagged[1:9])[0]
    body = untagged[41:]
    has = body[0]
    return {
        "attributes": sorted(item),
        "isOurs": hmac.compare_digest(owner.tag(untagged), tag),
        "isRetired": {1: False, 2: True}[untagged[0]],
        "isChained": owner.head(receipt) == untagged[9:41],
        "seq": seq,
        "itemSeq": int(item["q"]["N"]),
        "tokenLength": len(item["a"]["B"]),
        "blockSlot": struct.unpack(">Q", body[1:9])[0] if has & FLAG_BLOCK else None,
        "source": struct.unpack(">Q", body[41:49])[0] if has & FLAG_VOTE else None,
        "target": struct.unpack(">Q", body[49:57])[0] if has & FLAG_VOTE else None,
        "root": body[57:89].hex() if has & FLAG_VOTE_ROOT else None,
    }


def next_item(owner: Owner, item: dict, wish: dict) -> dict:
    before = item["r"]["B"]
    seq = int(item["q"]["N"]) + 1
    source, target, root = wish["source"], wish["target"], bytes.fromhex(wish["root"])
    kept = before[41] & (FLAG_BLOCK | FLAG_BLOCK_ROOT)
    body = bytes([kept | FLAG_VOTE | FLAG_VOTE_ROOT]) + before[42:82]
    body += struct.pack(">QQ", source, target) + root
    now_ms = int(time.time() * 1000)
    receipt = cbor([1, seq, before[9:41], "ATTESTATION", [source, target], root, now_ms])
    untagged = b"\x01" + struct.pack(">Q", seq) + owner.head(receipt) + body
    return {
        "k": {"B": owner.scope + owner.public_key},
        "q": {"N": str(seq)},
        "r": {"B": untagged + owner.tag(untagged)},
        "p": {"B": receipt},
        "a": {"B": os.urandom(16)},
    }


def main() -> None:
    wish = json.load(sys.stdin)
    client = boto3.client(
        "dynamodb",
        region_name=wish["region"],
        endpoint_url=wish["endpoint"],
        verify=wish["ca"],
        aws_access_key_id=wish["accessKeyId"],
        aws_secret_access_key=wish["secretAccessKey"],
        config=Config(retries={"max_attempts": 0}),
    )
    owner = Owner(wish)
    table = wish["tableArn"]
    key = {"k": {"B": owner.scope + owner.public_key}}
    item = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    if wish["act"] == "read":
        print(json.dumps(open_record(owner, item)))
        return
    if wish["act"] == "extend":
        client.put_item(TableName=table, Item={**item, "x": {"S": "not ours"}})
        print(json.dumps({}))
        return
    if wish["act"] == "forge":
        owner.record_key = bytes(32)
    client.put_item(
        TableName=table,
        Item=next_item(owner, item, wish),
        ConditionExpression="q = :before",
        ExpressionAttributeValues={":before": item["q"]},
    )
    print(json.dumps({}))


main()
