// Asks a person to type a word before something that can't be taken back. It must never take
// anything else for that word: an empty line and an end of input are a no.

import { createInterface } from "node:readline/promises";

export async function isConfirmedByWord(warning: string, word: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise<string>((settle) => lines.once("close", () => settle("")));
  try {
    const answer = lines.question(`${warning}\nType "${word}" to go on: `);
    return (await Promise.race([answer, ended])).trim() === word;
  } finally {
    lines.close();
  }
}
