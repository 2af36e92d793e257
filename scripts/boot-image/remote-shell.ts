import { readFile } from "node:fs/promises";
import { Fault } from "../../fault.ts";

/** Key types that dropbear knows; options before a key ("from=") would not be understood alike everywhere. */
const keyLine =
  /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/]+=*( .*)?$/;

/**
 * The public keys of those who may log in to clients, one a line; without comments and empty lines.
 *
 * @throws {Fault} REMOTE_SHELL_INVALID
 */
export async function readAuthorizedKeys(path: string): Promise<string> {
  let written: string;
  try {
    written = await readFile(path, "utf8");
  } catch (error) {
    throw invalid(path, (error as Error).message, error);
  }
  const lines = written.split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (/PRIVATE KEY/.test(written)) throw invalid(path, "It is a private key, which must stay where it is.");
  const foreign = keys.find((line) => !keyLine.test(line));
  if (foreign !== undefined) throw invalid(path, `This line is no public key: ${foreign.slice(0, 60)}`);
  if (keys.length === 0) throw invalid(path, "There is no key in it.");
  return `${keys.join("\n")}\n`;
}

function invalid(path: string, why: string, cause?: unknown): Fault {
  return new Fault(
    "REMOTE_SHELL_INVALID",
    {
      what: `${path} does not say who may log in to the clients.`,
      why,
      fix: "Set boot.remote_shell to a file with public SSH keys, one a line, like ~/.ssh/id_ed25519.pub.",
    },
    cause,
  );
}
