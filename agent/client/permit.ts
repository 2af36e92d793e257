import { type KeyObject, randomBytes, verify } from "node:crypto";
import { Fault } from "../../fault.ts";
import { ALIVE_PERMIT, CAPTURE_PERMIT, SCRIPTS_PERMIT } from "../contract.ts";

/** A question that no server has answered before. */
export function newChallenge(): string {
  return randomBytes(32).toString("hex");
}

/**
 * Checks that one of the site's keys signed the permit.
 *
 * @param text `permitText`, `capturePermitText`, `scriptsText` or `aliveText` of what is about to be done
 * @param permit the signature as base64, if one came
 * @throws {Fault} ERASE_NOT_PERMITTED, CAPTURE_NOT_PERMITTED, SCRIPTS_NOT_PERMITTED, ALIVE_NOT_PERMITTED
 */
export function checkPermit(text: string, permit: string | undefined, trusted: readonly KeyObject[]): void {
  const signature = Buffer.from(permit ?? "", "base64");
  if (trusted.some((key) => verify(null, Buffer.from(text), key, signature))) return;
  const why =
    permit === undefined
      ? "It gave no permit: it is of another version, or is not a server of this site."
      : "Its permit was not signed by a key in this boot image, or is for another machine, order or image.";
  const fix =
    'Build the boot image on this server ("bootcast boot-image build"), and look for other servers on this network.';
  if (text.startsWith(CAPTURE_PERMIT)) {
    throw new Fault("CAPTURE_NOT_PERMITTED", {
      what: "The server did not prove that this machine is to be captured.",
      why,
      fix: `Nothing was sent. ${fix}`,
    });
  }
  if (text.startsWith(SCRIPTS_PERMIT)) {
    throw new Fault("SCRIPTS_NOT_PERMITTED", {
      what: "The server did not prove that the order's scripts are its own.",
      why,
      fix: `Nothing was run, and nothing was erased. ${fix}`,
    });
  }
  if (text.startsWith(ALIVE_PERMIT)) {
    throw new Fault("ALIVE_NOT_PERMITTED", {
      what: "The server did not prove that the restored system is to call it.",
      why,
      fix: `Nothing was erased. ${fix}`,
    });
  }
  throw new Fault("ERASE_NOT_PERMITTED", {
    what: "The server did not prove that this machine is to be erased.",
    why,
    fix: `Nothing was erased. ${fix}`,
  });
}
