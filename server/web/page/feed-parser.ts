/** One server-sent event; a comment is one without kind and data, and says that the server is there. */
export type FeedMessage = { readonly kind: string; readonly data: string; readonly isComment: boolean };

/** Lines longer than this are nobody's events. */
const MOST_WAITING = 1_000_000;

/**
 * Reads server-sent events from text as it comes, cut anywhere (WHATWG HTML, 9.2.6). The browser's own EventSource
 * hides comments, which here are the sign of life, and does not say that a login is over.
 */
export class FeedParser {
  #rest = "";
  #kind = "";
  #data: string[] = [];

  push(text: string): FeedMessage[] {
    this.#rest += text;
    // A line may end with \r\n, and \n may come later.
    const isOpen = this.#rest.endsWith("\r");
    const lines = (isOpen ? this.#rest.slice(0, -1) : this.#rest).split(/\r\n|\n|\r/);
    this.#rest = lines.pop()! + (isOpen ? "\r" : "");
    if (this.#rest.length > MOST_WAITING) this.#rest = "";
    return lines.flatMap((line) => this.#read(line));
  }

  #read(line: string): FeedMessage[] {
    if (line === "") {
      const message = { kind: this.#kind || "message", data: this.#data.join("\n"), isComment: false };
      const isEvent = this.#data.length > 0;
      this.#kind = "";
      this.#data = [];
      return isEvent ? [message] : [];
    }
    if (line.startsWith(":")) return [{ kind: "", data: line.slice(1).trim(), isComment: true }];
    const [, field = line, value = ""] = /^([^:]*): ?(.*)$/s.exec(line) ?? [];
    if (field === "event") this.#kind = value;
    if (field === "data") this.#data.push(value);
    return [];
  }
}
