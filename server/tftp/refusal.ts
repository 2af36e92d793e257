import { Fault } from "../../fault.ts";
import { ErrorCode } from "./packet.ts";

/** What the client is told of an error: never a path of ours. */
export function refusalOf(error: unknown): [code: number, message: string] {
  if (!(error instanceof Fault)) return [ErrorCode.undefined, "The server could not read the file"];
  switch (error.code) {
    case "TFTP_FILE_MISSING":
      return [ErrorCode.fileNotFound, "File not found"];
    case "TFTP_NAME_REFUSED":
      return [ErrorCode.accessViolation, "Access violation"];
    case "TFTP_MODE_REFUSED":
      return [ErrorCode.undefined, "Only mode octet is served"];
    case "BOOT_FILE_TOO_LARGE":
      return [ErrorCode.undefined, "Too large for TFTP, use HTTP"];
    default:
      return [ErrorCode.undefined, "The server could not read the file"];
  }
}

/** The same for those who run the server. */
export function refusalText(error: unknown): string {
  if (error instanceof Fault) return `${error.what} ${error.fix}`.replace(/\.$/, "");
  return `the file could not be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** Logged without alarm: loaders ask for files that need not exist. */
export function notFound(path: string): Fault {
  return new Fault("TFTP_FILE_MISSING", {
    what: `${JSON.stringify(path)} is not in the boot directory.`,
    why: "Loaders ask for some files that need not exist.",
    fix: 'If a machine stops here, build the boot files: "bootcast boot-image build".',
  });
}
