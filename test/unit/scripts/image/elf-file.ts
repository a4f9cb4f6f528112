// ELF files for tests: no code, only the headers that say what a program or library needs. One
// segment holds all of the file from address 0x1000 on.

export type ElfFile = {
  readonly machine: number;
  readonly libraries: readonly string[];
  readonly interpreter?: string | null;
};

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const ADDRESS = 0x1000;
const DYNAMIC_OFFSET = 256;
const STRINGS_OFFSET = 400;
const INTERPRETER_OFFSET = 480;
const FILE_BYTES = 600;

export function elfFile({ machine, libraries, interpreter = null }: ElfFile): Buffer {
  const bytes = Buffer.alloc(FILE_BYTES);
  bytes.write("\x7fELF", 0, "latin1");
  bytes.set([2, 1, 1], 4);
  bytes.writeUInt16LE(machine, 18);
  bytes.writeBigUInt64LE(BigInt(HEADER_BYTES), 32);
  bytes.writeUInt16LE(SEGMENT_BYTES, 54);
  bytes.writeUInt16LE(interpreter === null ? 2 : 3, 56);
  writeSegment(bytes, 0, 1, 0, FILE_BYTES);
  writeSegment(bytes, 1, 2, DYNAMIC_OFFSET, 16 * (libraries.length + 2));
  if (interpreter !== null) {
    writeSegment(bytes, 2, 3, INTERPRETER_OFFSET, interpreter.length + 1);
    bytes.write(`${interpreter}\0`, INTERPRETER_OFFSET, "latin1");
  }
  let nameOffset = 1;
  for (const [index, name] of libraries.entries()) {
    writeTag(bytes, index, 1, nameOffset);
    bytes.write(`${name}\0`, STRINGS_OFFSET + nameOffset, "latin1");
    nameOffset += name.length + 1;
  }
  writeTag(bytes, libraries.length, 5, ADDRESS + STRINGS_OFFSET);
  return bytes;
}

function writeSegment(bytes: Buffer, index: number, type: number, offset: number, size: number) {
  const at = HEADER_BYTES + index * SEGMENT_BYTES;
  bytes.writeUInt32LE(type, at);
  bytes.writeBigUInt64LE(BigInt(offset), at + 8);
  bytes.writeBigUInt64LE(BigInt(ADDRESS + offset), at + 16);
  bytes.writeBigUInt64LE(BigInt(size), at + 32);
}

function writeTag(bytes: Buffer, index: number, tag: number, value: number): void {
  bytes.writeBigUInt64LE(BigInt(tag), DYNAMIC_OFFSET + index * 16);
  bytes.writeBigUInt64LE(BigInt(value), DYNAMIC_OFFSET + index * 16 + 8);
}
