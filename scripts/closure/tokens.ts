// Splits JavaScript or TypeScript into the tokens that imports are made of, leaving comments,
// regular expressions and the text of templates out. It must never take text inside a comment or
// a string for code: an example in a comment is not an import.

export type Token = {
  /** `string`: its value. `template`: one with substitutions, whose value is not known. */
  readonly kind: "word" | "string" | "template" | "mark";
  readonly text: string;
  readonly line: number;
};

/** After these words a slash starts a regular expression, after others it divides. */
const BEFORE_REGEX = new Set(
  "return typeof case in of delete void throw new instanceof do else yield await".split(" "),
);

const WORD = /[\p{ID_Start}$_#@][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /\d[\w.]*/y;

class Tokenizer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  /** For each open template substitution, how many braces are open inside it. */
  readonly #substitutions: number[] = [];
  #offset = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  read(): readonly Token[] {
    if (this.#source.startsWith("#!")) this.#skipLine();
    while (this.#offset < this.#source.length) this.#next();
    return this.#tokens;
  }

  #next(): void {
    const at = this.#source[this.#offset] ?? "";
    if (at === "\n" || /\s/.test(at)) return this.#advance(1);
    if (this.#source.startsWith("//", this.#offset)) return this.#skipLine();
    if (this.#source.startsWith("/*", this.#offset)) return this.#skipComment();
    if (at === '"' || at === "'") return this.#string(at);
    if (at === "`") return this.#template(this.#offset + 1);
    if (at === "/" && this.#startsRegex()) return this.#skipRegex();
    for (const pattern of [WORD, NUMBER]) {
      pattern.lastIndex = this.#offset;
      const text = pattern.exec(this.#source)?.[0];
      if (text !== undefined) return this.#push("word", text, text.length);
    }
    this.#mark(at);
  }

  #advance(count: number): void {
    const end = Math.min(this.#offset + count, this.#source.length);
    for (; this.#offset < end; this.#offset += 1) {
      if (this.#source[this.#offset] === "\n") this.#line += 1;
    }
  }

  #push(kind: Token["kind"], text: string, length: number): void {
    this.#tokens.push({ kind, text, line: this.#line });
    this.#advance(length);
  }

  #skipLine(): void {
    const end = this.#source.indexOf("\n", this.#offset);
    this.#offset = end === -1 ? this.#source.length : end;
  }

  #skipComment(): void {
    const end = this.#source.indexOf("*/", this.#offset + 2);
    this.#advance(end === -1 ? this.#source.length : end + 2 - this.#offset);
  }

  #string(quote: string): void {
    let end = this.#offset + 1;
    while (end < this.#source.length && this.#source[end] !== quote) {
      end += this.#source[end] === "\\" ? 2 : 1;
    }
    const text = this.#source.slice(this.#offset + 1, end);
    this.#push("string", text, end + 1 - this.#offset);
  }

  /** From `start` to the end of the template or to its next substitution. */
  #template(start: number): void {
    let end = start;
    const isContinued = this.#source[start - 1] === "}";
    while (end < this.#source.length) {
      if (this.#source[end] === "`") {
        const kind = isContinued ? "template" : "string";
        return this.#push(kind, this.#source.slice(start, end), end + 1 - this.#offset);
      }
      if (this.#source.startsWith("${", end)) {
        this.#substitutions.push(0);
        return this.#push("template", "", end + 2 - this.#offset);
      }
      end += this.#source[end] === "\\" ? 2 : 1;
    }
    this.#offset = this.#source.length;
  }

  #mark(text: string): void {
    const depth = this.#substitutions.at(-1);
    if (depth !== undefined && text === "{") this.#substitutions.push(this.#open(1));
    else if (depth === 0 && text === "}") {
      this.#substitutions.pop();
      return this.#template(this.#offset + 1);
    } else if (depth !== undefined && text === "}") this.#substitutions.push(this.#open(-1));
    this.#push("mark", text, 1);
  }

  #open(difference: number): number {
    return (this.#substitutions.pop() ?? 0) + difference;
  }

  #startsRegex(): boolean {
    const last = this.#tokens.at(-1);
    if (last === undefined) return true;
    if (last.kind === "word") return BEFORE_REGEX.has(last.text);
    return last.kind === "mark" && ![")", "]", "}"].includes(last.text);
  }

  #skipRegex(): void {
    let end = this.#offset + 1;
    let isInClass = false;
    while (end < this.#source.length && this.#source[end] !== "\n") {
      const at = this.#source[end];
      if (at === "\\") end += 1;
      else if (at === "[") isInClass = true;
      else if (at === "]") isInClass = false;
      else if (at === "/" && !isInClass) break;
      end += 1;
    }
    this.#push("template", "", end + 1 - this.#offset);
  }
}

export function readTokens(source: string): readonly Token[] {
  return new Tokenizer(source).read();
}
