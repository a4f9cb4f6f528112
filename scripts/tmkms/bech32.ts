// Bech32 (BIP-173), one way: bytes into the text that Cosmos chains show a validator's key in. It
// must never be asked to read: what an operator pastes is compared by eye, or as hex.

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const;
const CHECKSUM_DIGITS = 6;

/** Without BIP-173's limit of 90 characters, which chains with long prefixes pass. */
export function encodeBech32(prefix: string, bytes: Uint8Array): string {
  const digits = toDigits(bytes);
  const checked = [...expandPrefix(prefix), ...digits];
  const sum = polymod([...checked, ...Array<number>(CHECKSUM_DIGITS).fill(0)]) ^ 1;
  const checksum = Array.from(
    { length: CHECKSUM_DIGITS },
    (_, index) => (sum >>> (5 * (CHECKSUM_DIGITS - 1 - index))) & 31,
  );
  return `${prefix}1${[...digits, ...checksum].map((digit) => ALPHABET[digit]).join("")}`;
}

/** Eight bits each into five bits each, the last filled up with zeros. */
function toDigits(bytes: Uint8Array): readonly number[] {
  const digits: number[] = [];
  let bits = 0;
  let bitCount = 0;
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xfff;
    bitCount += 8;
    while (bitCount >= 5) {
      bitCount -= 5;
      digits.push((bits >> bitCount) & 31);
    }
  }
  if (bitCount > 0) digits.push((bits << (5 - bitCount)) & 31);
  return digits;
}

function expandPrefix(prefix: string): readonly number[] {
  const codes = [...new TextEncoder().encode(prefix)];
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

function polymod(digits: readonly number[]): number {
  let sum = 1;
  for (const digit of digits) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ digit;
    for (const [index, part] of GENERATOR.entries()) if (((top >> index) & 1) === 1) sum ^= part;
  }
  return sum;
}
