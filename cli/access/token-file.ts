import { readFileSync, statSync, writeFileSync } from "node:fs";
import { parse } from "smol-toml";
import { Fault } from "../../fault.ts";

/** A server on another machine, and how to be let in there. */
export type RemoteServer = {
  /** "https://10.77.0.1:8443" */
  readonly url: string;
  /** SHA-256 of its certificate authority, lower-case hex: nobody else can pretend to be it. */
  readonly fingerprint: string;
  readonly token: string;
};

/** Writes what `bootcast token add` made, for its owner only. @throws {Fault} FILE_EXISTS */
export function writeTokenFile(path: string, { url, fingerprint, token }: RemoteServer, about: string): void {
  const text = `# ${about}\nserver = "${url}"\nfingerprint = "${fingerprint}"\ntoken = "${token}"\n`;
  try {
    writeFileSync(path, text, { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new Fault(
      "FILE_EXISTS",
      {
        what: `${path} is there already.`,
        why: "It may be another token, and it would be lost.",
        fix: "Move it away, or give another name to --out.",
      },
      error,
    );
  }
}

/**
 * @param url instead of the one in the file
 * @throws {Fault} TOKEN_FILE_INVALID, TOKEN_EXPOSED
 */
export function readTokenFile(path: string, url?: string): RemoteServer {
  let read: Record<string, unknown>;
  try {
    const { mode } = statSync(path);
    if ((mode & 0o077) !== 0) throw exposed(path, mode);
    read = parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw invalid(path, (error as Error).message, error);
  }
  const { server, fingerprint, token } = read;
  const given = url ?? server;
  if (typeof token !== "string" || !/^\S+$/.test(token)) throw invalid(path, 'It has no token = "…".');
  if (typeof fingerprint !== "string" || !/^([0-9a-f]{2}:?){32}$/i.test(fingerprint)) {
    throw invalid(path, 'It has no fingerprint = "…" of 64 hex digits.');
  }
  if (typeof given !== "string") throw invalid(path, 'It has no server = "https://…", and --server was not given.');
  return { url: checkUrl(given), fingerprint: fingerprint.replaceAll(":", "").toLowerCase(), token };
}

/** @throws {Fault} USAGE */
function checkUrl(text: string): string {
  const url = URL.parse(text.includes("://") ? text : `https://${text}`);
  if (url?.protocol === "https:") return url.origin;
  throw new Fault("USAGE", {
    what: `${text} is not the address of a server.`,
    why: "It has to begin with https://; the API is served with TLS only.",
    fix: "Write it like https://10.77.0.1:8443.",
  });
}

function exposed(path: string, mode: number): Fault {
  return new Fault("TOKEN_EXPOSED", {
    what: `Other users may read the token in ${path}.`,
    why: `Its mode is ${(mode & 0o777).toString(8)}. Who has it can do what it allows.`,
    fix: `chmod 600 ${path}. If somebody may have read it: "bootcast token remove" on the server, and make another one.`,
  });
}

function invalid(path: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "TOKEN_FILE_INVALID",
    {
      what: `The token file ${path} cannot be used.`,
      why,
      fix: 'Make one on the server: "bootcast token add NAME --out FILE", and copy it here.',
    },
    cause,
  );
}
