// Tar archives for tests, with whatever a header may say.

export type TarMember = {
  readonly name: string;
  readonly type?: string;
  readonly content?: string;
  readonly target?: string;
  /** Seven octal digits. */
  readonly mode?: string;
  readonly prefix?: string;
};

export function tarOf(...members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.map(memberBytes), Buffer.alloc(1024)]);
}

function memberBytes(member: TarMember): Buffer {
  const { name, type = "0", content = "", target = "", mode = "0000644", prefix = "" } = member;
  const header = Buffer.alloc(512);
  header.write(name, 0, "utf8");
  header.write(`${mode}\0`, 100);
  header.write(content.length.toString(8).padStart(11, "0"), 124);
  header.write("        ", 148);
  header.write(type, 156);
  header.write(target, 157);
  header.write("ustar\x0000", 257);
  header.write(prefix, 345);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body]);
}
