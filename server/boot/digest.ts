import { createHash, timingSafeEqual } from "node:crypto";

/** What an iPXE sends when it was asked for a password (RFC 7616 section 3.4), as far as it is looked at. */
export type DigestAnswer = {
  readonly username: string;
  readonly nonce: string;
  readonly uri: string;
  readonly cnonce: string;
  readonly count: string;
  readonly response: string;
};

const DIGEST_REALM = "bootcast";

/** The header `WWW-Authenticate`. iPXE knows MD5 alone, like most firmware. */
export function digestChallenge(nonce: string): string {
  return `Digest realm="${DIGEST_REALM}", nonce="${nonce}", qop="auth", algorithm=MD5`;
}

/** Reads the header `Authorization`. @returns undefined for anything that is not a whole digest with qop=auth */
export function parseDigest(header: string | undefined): DigestAnswer | undefined {
  if (header === undefined || header.length > 2000 || !/^Digest /i.test(header)) return undefined;
  const fields = new Map<string, string>();
  for (const [, name = "", quoted, plain] of header
    .slice("Digest ".length)
    .matchAll(/(\w+)=(?:"([^"]*)"|([^\s,"]+))(?:,|\s|$)/g)) {
    // Twice the same: which one was meant is not guessed.
    if (fields.has(name.toLowerCase())) return undefined;
    fields.set(name.toLowerCase(), quoted ?? plain ?? "");
  }
  const field = (name: string) => fields.get(name) ?? "";
  const answer = {
    username: field("username"),
    nonce: field("nonce"),
    uri: field("uri"),
    cnonce: field("cnonce"),
    count: field("nc"),
    response: field("response").toLowerCase(),
  };
  const isWhole = Object.values(answer).every((value) => value !== "") && /^[0-9a-f]{32}$/.test(answer.response);
  return isWhole && field("realm") === DIGEST_REALM && field("qop") === "auth" ? answer : undefined;
}

/**
 * Whether the answer was made with this password, for this request and this nonce. Takes the same time for every
 * wrong password.
 */
export function provesPassword(
  answer: DigestAnswer,
  asked: { readonly password: string; readonly nonce: string; readonly method: string; readonly uri: string },
): boolean {
  const identity = md5(`${answer.username}:${DIGEST_REALM}:${asked.password}`);
  const request = md5(`${asked.method}:${asked.uri}`);
  const right = md5(`${identity}:${asked.nonce}:${answer.count}:${answer.cnonce}:auth:${request}`);
  const isSame = timingSafeEqual(Buffer.from(right, "latin1"), Buffer.from(answer.response, "latin1"));
  return isSame && answer.nonce === asked.nonce && answer.uri === asked.uri;
}

function md5(text: string): string {
  return createHash("md5").update(text, "utf8").digest("hex");
}
