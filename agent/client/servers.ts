/**
 * Where the servers of a site are that work on one database: the one that is asked, and those that would do as well. All
 * that speak with the server go by the same, so the machine is with one of them at a time.
 */
export class Servers {
  #known: readonly URL[];
  #current: URL;

  constructor(first: URL) {
    this.#known = [first];
    this.#current = first;
  }

  /** The one that is asked now. */
  get current(): URL {
    return this.#current;
  }

  /**
   * The server at `from` has answered, and knows these others. What it says is not trusted: each of them must prove
   * itself as it does.
   */
  learn(from: URL, others: readonly string[] = []): void {
    const found = others.map((text) => URL.parse(text)).filter((url) => url?.protocol === "http:");
    const all = [this.#current, from, ...(found as URL[])];
    this.#known = all.filter((url, at) => all.findIndex(({ href }) => href === url.href) === at).slice(0, MOST);
  }

  /** The one at `asked` does not answer, or sends us on: the next one is asked. */
  goOn(asked: URL): void {
    // Somebody else may have found that out already.
    if (asked !== this.#current) return;
    const at = this.#known.indexOf(asked);
    this.#current = this.#known[(at + 1) % this.#known.length] ?? asked;
  }
}

/** More are not kept, whatever a server says. */
const MOST = 16;

/** One server, or a site with several. */
export type ServerPlace = URL | Servers;

export function serversAt(place: ServerPlace): Servers {
  return place instanceof Servers ? place : new Servers(place);
}

/** Where to ask now. */
export function serverNow(place: ServerPlace): URL {
  return place instanceof Servers ? place.current : place;
}
