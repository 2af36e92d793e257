import { createRequire } from "node:module";
import type { Readable } from "node:stream";
import { Fault } from "../../fault.ts";

/** The part of npm `tftp` 0.1.2 that is used; it has no types. */
type TftpPackage = {
  createClient(options: { host: string; port: number; timeout: number; retries: number }): {
    createGetStream(remote: string): Readable & { abort(reason?: string): void };
  };
};

const { createClient }: TftpPackage = createRequire(import.meta.url)("tftp");

/**
 * Fetches a file by TFTP the way a loader does, with a client that is not ours.
 *
 * @throws {Fault} TFTP_NO_ANSWER, TFTP_FILE_MISSING, TFTP_FAILED
 */
export async function fetchByTftp(from: {
  readonly host: string;
  readonly port: number;
  readonly file: string;
  /** The whole fetch may take so long. */
  readonly deadlineMs: number;
}): Promise<Buffer> {
  const { host, port, file, deadlineMs } = from;
  const client = createClient({ host, port, timeout: 1000, retries: 3 });
  const stream = client.createGetStream(file);
  const parts: Buffer[] = [];
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => {
      const why = `It was not complete after ${deadlineMs} ms; ${sizeOf(parts)} bytes came.`;
      reject(parts.length === 0 ? noAnswer(from, why) : failed(from, why));
      stream.abort("too slow");
    }, deadlineMs);
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.once("end", () => {
      clearTimeout(deadline);
      resolve(Buffer.concat(parts));
    });
    // Stays: an error after the deadline must not end the process.
    stream.on("error", (error: Error) => {
      clearTimeout(deadline);
      reject(faultOf(error, from));
    });
  });
}

function faultOf(error: Error, from: { readonly host: string; readonly port: number; readonly file: string }): Fault {
  if (/timed? ?out/i.test(error.message)) return noAnswer(from, "Nothing came back.", error);
  if (/not found/i.test(error.message)) {
    return new Fault(
      "TFTP_FILE_MISSING",
      {
        what: `The server has no TFTP file ${from.file}.`,
        why: `It answered: ${error.message}.`,
        fix: 'Run "bootcast boot-image build" on the server.',
      },
      error,
    );
  }
  // What the operating system or the name service refused never reached a server.
  const isUnsent =
    /^E[A-Z_]+$/.test((error as NodeJS.ErrnoException).code ?? "") || /cannot resolve/i.test(error.message);
  if (isUnsent) return noAnswer(from, `${error.message}.`, error);
  return failed(from, error.message, error);
}

function failed(
  { host, port, file }: { readonly host: string; readonly port: number; readonly file: string },
  why: string,
  cause?: unknown,
): Fault {
  return new Fault(
    "TFTP_FAILED",
    {
      what: `${file} could not be fetched by TFTP from ${host}, port ${port}/udp.`,
      why,
      fix: "Look at the server's log for the line of this transfer.",
    },
    cause,
  );
}

function noAnswer(
  { host, port, file }: { readonly host: string; readonly port: number; readonly file: string },
  why: string,
  cause?: unknown,
): Fault {
  return new Fault(
    "TFTP_NO_ANSWER",
    {
      what: `${file} did not come by TFTP from ${host}, port ${port}/udp.`,
      why,
      fix: 'Check that "bootcast serve" runs there, and that no firewall drops UDP: the reply comes from another port than 69.',
    },
    cause,
  );
}

function sizeOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
