import { Fault } from "../../fault.ts";

/**
 * Makes a path below the boot directory out of the name in a TFTP request.
 *
 * Loaders write the same file in many ways: `\EFI\BOOT\x.efi` (Windows), `/private/tftpboot/x` (Macs),
 * `tftp://10.0.0.1/x` (a loader that was given an URL), `//x`, `x` + byte 0xFF (old PXE ROMs that read option 67 past its
 * end; netbootxyz/netboot.xyz#1198), `x` + spaces.
 *
 * @param sent the name with one character per byte, as `decodeTftp` gives it
 * @returns path parts joined by "/", without a leading slash; empty when nothing is left
 * @throws {Fault} TFTP_NAME_REFUSED for control characters and for a name that climbs out by ".."
 */
export function pathOfName(sent: string): string {
  let name = readableText(Buffer.from(sent, "latin1")).replace(/ +$/, "");
  if (/[\u0000-\u001f\u007f]/.test(name)) throw refused(name, "It has control characters in it.");
  name = name.replaceAll("\\", "/");
  name = name.replace(/^\/*tftp:\/*[^/]*\//i, "");
  let parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refused(name, "It climbs out of the boot directory.");
  if (isAddress(parts[0] ?? "") && parts.length > 1) parts = parts.slice(1);
  if (parts[0] === "private" && parts[1] === "tftpboot") parts = parts.slice(2);
  else if (parts[0] === "tftpboot") parts = parts.slice(1);
  return parts.join("/");
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The longest start of the bytes that is valid UTF-8. */
function readableText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    // Everything from the first bad byte on is what lies behind option 67 in the client's memory.
    const text = new TextDecoder("utf-8").decode(bytes);
    return text.slice(0, text.indexOf("\ufffd"));
  }
}

function isAddress(part: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(part);
}

function refused(name: string, why: string): Fault {
  return new Fault("TFTP_NAME_REFUSED", {
    what: `The file name ${JSON.stringify(name.slice(0, 120))} is refused.`,
    why,
    fix: "Ask for a file below the boot directory by its plain path.",
  });
}
