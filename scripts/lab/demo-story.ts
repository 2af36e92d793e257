/** What a person who watches the demo is shown of a machine's console: its story, without the kernel's chatter. */
export class DemoStory {
  readonly #write: (text: string) => void;
  readonly #elapsedMs: () => number;
  #read = 0;
  /** How much of the line that is still being written was shown already: progress marks come one by one. */
  #shownOfLine = 0;

  /** @param elapsedMs since the machine was switched on */
  constructor(write: (text: string) => void, elapsedMs: () => number) {
    this.#write = write;
    this.#elapsedMs = elapsedMs;
  }

  /** Takes the whole console text so far and writes what is new and worth telling. */
  show(console: string): void {
    for (;;) {
      const end = console.indexOf("\n", this.#read);
      if (end === -1) break;
      this.#line(console.slice(this.#read, end), true);
      this.#read = end + 1;
      this.#shownOfLine = 0;
    }
    this.#line(console.slice(this.#read), false);
  }

  #line(line: string, isWhole: boolean): void {
    const text = line.trimEnd();
    if (marks.test(text)) {
      const start = this.#shownOfLine === 0 ? `  ${this.#clock()}  ` : "";
      this.#write(start + text.trimStart().slice(this.#shownOfLine) + (isWhole ? "\n" : ""));
      this.#shownOfLine = text.trimStart().length;
    } else if (isWhole) {
      const told = sentenceOf(text);
      // A line that goes on below has no time of its own.
      const clock = told?.startsWith(" ") ? " ".repeat(this.#clock().length) : this.#clock();
      if (told !== undefined) this.#write(`  ${clock}  ${told}\n`);
    }
  }

  #clock(): string {
    const seconds = Math.floor(this.#elapsedMs() / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

const marks = /^\s*(Restoring|Verifying) {2}\./;

const tellings: readonly { readonly line: RegExp; readonly tell: (match: RegExpMatchArray) => string }[] = [
  { line: /^\[ *\d+ s\] (\w+) +(.+)$/, tell: ([, state, detail]) => `${state?.padEnd(12)}${detail}` },
  { line: /^ {21}(\S.*)$/, tell: ([, more]) => `${" ".repeat(12)}${more}` },
  { line: /^bootcast: (.+)$/, tell: ([, said]) => `boot image  ${said}` },
  { line: /NBP filename is (\S+)/, tell: ([, file]) => `firmware    loads ${file} by TFTP` },
  { line: /(http:\S+\/boot\/\w+)[^ ]*\.\.\..*ok/, tell: ([, url]) => `loader      ${url}` },
  { line: /Welcome to GRUB/, tell: () => "disk        GRUB starts" },
  { line: /INIT: version/, tell: () => "disk        Debian starts" },
];

function sentenceOf(line: string): string | undefined {
  for (const { line: pattern, tell } of tellings) {
    const match = line.match(pattern);
    if (match !== null) return tell(match);
  }
  return undefined;
}
