import { createHash } from "node:crypto";
import type { OrderScript, OrderTerms } from "./order.ts";

/**
 * What a server signs to permit one erase. HTTP proves nothing about who
 * answers, and anybody can send an old, rightly signed manifest again; only the
 * site's own server can sign this, and only for this start of this machine.
 */
export function permitText(permit: {
  readonly challenge: string;
  readonly mac: string;
  readonly deployId: string;
  readonly image: string;
  readonly imageVersion: number;
  /** As in the order: nobody on the way may send it to another disk. */
  readonly terms?: OrderTerms | undefined;
}): string {
  const { challenge, mac, deployId, image, imageVersion, terms } = permit;
  const about = [challenge, mac, deployId, image, imageVersion];
  if (terms === undefined) return `bootcast erase permit 1\n${JSON.stringify(about)}`;
  const { disk, erase, confirmed, known, ...later } = terms;
  const said = [...about, disk, erase, confirmed, known];
  // By their names, so that the order in which they were written down does not count, and none is ever left out.
  const added = Object.entries(later).filter(([, value]) => value !== undefined);
  if (added.length === 0) return `bootcast erase permit 2\n${JSON.stringify(said)}`;
  added.sort(([one], [other]) => (one < other ? -1 : 1));
  return `bootcast erase permit 3\n${JSON.stringify([...said, added])}`;
}

export const SCRIPTS_PERMIT = "bootcast scripts permit 1\n";

/**
 * What a server signs so that a host runs scripts: for one machine and one order. The first line is another one than
 * that of an erase or a capture, so no permit can stand for another.
 */
export function scriptsText(about: {
  readonly mac: string;
  readonly deployId: string;
  readonly list: readonly OrderScript[];
}): string {
  const scripts = about.list.map(({ name, text, mostSeconds }) => [name, text, mostSeconds]);
  return `${SCRIPTS_PERMIT}${JSON.stringify([about.mac, about.deployId, scripts])}`;
}

/** What the order's terms say of its scripts: SHA-256 of `scriptsText`, hex. */
export function scriptsDigest(about: Parameters<typeof scriptsText>[0]): string {
  return createHash("sha256").update(scriptsText(about)).digest("hex");
}

export const CAPTURE_PERMIT = "bootcast capture permit 1\n";

/**
 * What a server signs to permit one capture: nobody else is given a disk's content. The first line is another one
 * than that of an erase, so neither permit can stand for the other.
 */
export function capturePermitText(permit: {
  readonly challenge: string;
  readonly mac: string;
  readonly deployId: string;
  readonly image: string;
}): string {
  const { challenge, mac, deployId, image } = permit;
  return `${CAPTURE_PERMIT}${JSON.stringify([challenge, mac, deployId, image])}`;
}
