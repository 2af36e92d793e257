import { Fault } from "../fault.ts";

/**
 * Checks that a stream may be sent to `group`.
 *
 * 224.0.0.0/24 is for routing protocols on the local wire and is never filtered
 * by switches (RFC 5771, section 4): a stream there would flood every port.
 *
 * @throws {Fault} GROUP_REFUSED
 */
export function checkGroup(group: string): void {
  const bytes = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(group)?.slice(1).map(Number);
  if (bytes === undefined || bytes.some((byte) => byte > 255)) throw refused(group, "It is not an IPv4 address.");
  const [first, second, third] = bytes;
  if (first === undefined || first < 224 || first > 239) {
    throw refused(group, "Multicast groups are 224.0.0.0 to 239.255.255.255.");
  }
  if (first === 224 && second === 0 && third === 0) {
    throw refused(group, "224.0.0.0/24 belongs to routing protocols, and every switch floods it to all ports.");
  }
}

function refused(group: string, why: string): Fault {
  return new Fault("GROUP_REFUSED", {
    what: `"${group}" cannot be the group of a stream.`,
    why,
    fix: "Take one that is meant for use inside a site: 239.192.0.0 to 239.195.255.255, for instance 239.192.66.1.",
  });
}
