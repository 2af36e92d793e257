import { posix } from "node:path";
import { Fault } from "../../fault.ts";

/** So often a server may send on to another address. */
export const MOST_REDIRECTS = 5;

/** The part of an HTTP answer that is looked at. Names of headers in lower case. */
export type WebAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
};

/** A range of a file, from its first byte to the one behind its last. */
export type WebRange = { readonly startBytes: number; readonly endBytes: number };

/** What an answer to a range means. */
export type WebRead =
  | {
      readonly kind: "content";
      /** Of the whole file. */
      readonly sizeBytes: number;
      /** What tells this content from another one under the same address; empty: the server does not say. */
      readonly version: string;
    }
  | { readonly kind: "elsewhere"; readonly url: URL }
  /** The server cannot now: it is asked again. */
  | { readonly kind: "later"; readonly why: string };

const laterStatuses = [408, 425, 429, 500, 502, 503, 504];
const elsewhereStatuses = [301, 302, 303, 307, 308];

/**
 * The address of a file on a web server; undefined when it is none at all.
 *
 * @throws {Fault} WEB_ADDRESS when it is one, but cannot be used
 */
export function parseWebUrl(text: string): URL | undefined {
  if (!/^https?:/i.test(text)) return undefined;
  const url = URL.parse(text);
  if (url === null || url.hostname === "" || !/^https?:\/\//i.test(text)) {
    throw badAddress(text, "It is not written like one.");
  }
  if (url.username !== "" || url.password !== "") {
    throw badAddress(
      `${url.protocol}//…@${url.host}${url.pathname}`,
      "It holds a password, which everybody can read who lists this machine's processes.",
    );
  }
  try {
    decodeURIComponent(posix.basename(url.pathname));
  } catch {
    throw badAddress(text, "What stands behind a % in the file's name is no letter (a % itself is written %25).");
  }
  url.hash = "";
  return url;
}

/**
 * What a server's answer to a request for a range means (RFC 9110, sections 14 and 15).
 *
 * @throws {Fault} WEB_MISSING, WEB_REFUSED, WEB_NO_RANGES, WEB_ANSWER, WEB_REDIRECT, IMAGE_EMPTY
 */
export function readWebAnswer(url: URL, range: WebRange, answer: WebAnswer): WebRead {
  const { status } = answer;
  if (elsewhereStatuses.includes(status))
    return { kind: "elsewhere", url: redirected(url, header(answer, "location")) };
  if (laterStatuses.includes(status)) return { kind: "later", why: `${url.host} answers ${status}` };
  if (status === 404 || status === 410) throw missing(url, status);
  if (status === 416 && /^bytes \*\/0$/.test(header(answer, "content-range"))) throw empty(url);
  if (status === 200 && header(answer, "content-length") === "0") throw empty(url);
  if (status === 200 || status === 416) throw noRanges(url, status);
  if (status >= 400 && status < 500) throw refused(url, status);
  if (status !== 206) throw strange(url, `its status is ${status}`);
  const encoding = header(answer, "content-encoding");
  if (encoding !== "" && encoding !== "identity") throw strange(url, `it is packed as "${encoding}"`);
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(header(answer, "content-range"));
  const [first, last, sizeBytes] = (match ?? []).slice(1).map(Number);
  if (first === undefined || last === undefined || sizeBytes === undefined)
    throw strange(url, "it does not say how long the file is");
  const isAsked = first === range.startBytes && last === Math.min(range.endBytes, sizeBytes) - 1;
  if (!isAsked)
    throw strange(
      url,
      `bytes ${range.startBytes} to ${range.endBytes - 1} were asked for, and ${first} to ${last} came`,
    );
  return { kind: "content", sizeBytes, version: header(answer, "etag") || header(answer, "last-modified") };
}

/** @throws {Fault} WEB_REDIRECT */
function redirected(from: URL, location: string): URL {
  const to = location === "" ? null : URL.parse(location, from.href);
  if (to === null) throw badRedirect(from, "It does not say where.");
  if (to.protocol !== "https:" && to.protocol !== "http:") throw badRedirect(from, `${to.protocol} is no web address.`);
  if (from.protocol === "https:" && to.protocol === "http:")
    throw badRedirect(from, `${to.host} would send it without encryption, so that anybody on the way could change it.`);
  to.username = "";
  to.password = "";
  to.hash = "";
  return to;
}

export function tooManyRedirects(url: URL): Fault {
  return badRedirect(url, `It was sent on ${MOST_REDIRECTS} times and did not end.`);
}

/** The file is another one than when the restore began. */
export function webFileChanged(url: URL): Fault {
  return new Fault("SOURCE_CHANGED", {
    what: `${url.href} was replaced while it was read.`,
    why: "The server names another size or version of it than at the beginning.",
    fix: "Start the restore again, when nobody writes to the file.",
  });
}

/** No byte came for as long as somebody is willing to wait. */
export function webSilent(url: URL, afterMs: number, why: string, cause?: unknown): Fault {
  return new Fault(
    "SERVER_UNREACHABLE",
    {
      what: `${url.host} sent nothing for ${Math.round(afterMs / 1000)} s.`,
      why: `${why}.`,
      fix: "Check the cable and the server, and start again; --timeout 10m waits longer.",
    },
    cause,
  );
}

/** @param problem what is wrong with the answer, without a full stop */
export function strange(url: URL, problem: string): Fault {
  return new Fault("WEB_ANSWER", {
    what: `The answer of ${url.host} cannot be used.`,
    why: `Asked for ${url.pathname}: ${problem}.`,
    fix: "Serve the file by a web server that keeps to the standard (nginx, Apache, Caddy), without a proxy that changes it.",
  });
}

function header({ headers }: WebAnswer, name: string): string {
  const value = headers[name];
  return (Array.isArray(value) ? value.join(", ") : (value ?? "")).trim();
}

function badAddress(shown: string, why: string): Fault {
  return new Fault("WEB_ADDRESS", {
    what: `${shown} cannot be the source.`,
    why,
    fix: "Write it like https://server/images/lab.dmg; for a file behind a password, mount the share or download it.",
  });
}

function badRedirect(url: URL, why: string): Fault {
  return new Fault("WEB_REDIRECT", {
    what: `${url.href} sends on to an address that is not followed.`,
    why,
    fix: "Give the address of the file itself.",
  });
}

function missing(url: URL, status: number): Fault {
  return new Fault("WEB_MISSING", {
    what: `There is no ${url.pathname} at ${url.host}.`,
    why: `The server answers ${status}.`,
    fix: "Check the address; a browser shows whether it is right.",
  });
}

function refused(url: URL, status: number): Fault {
  return new Fault("WEB_REFUSED", {
    what: `${url.host} does not give ${url.pathname} away.`,
    why: `The server answers ${status}${status === 401 || status === 407 ? ": it wants a password" : ""}.`,
    fix: "Make it readable without one on the network of the machines, or mount the share and give its path.",
  });
}

function noRanges(url: URL, status: number): Fault {
  return new Fault("WEB_NO_RANGES", {
    what: `${url.host} sends files only as a whole.`,
    why: `It answers ${status} when a part is asked for. Without parts a broken connection means to begin anew, and a .dmg is read from its end.`,
    fix: "Serve it by a web server that knows ranges (nginx, Apache, Caddy), or download the file and give its path.",
  });
}

function empty(url: URL): Fault {
  return new Fault("IMAGE_EMPTY", {
    what: `${url.href} has no content.`,
    why: "Its size is 0 bytes.",
    fix: "Give the address of the disk image itself.",
  });
}
