import { readFile } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import type { MailSettings } from "./mail-settings.ts";
import type { Message } from "./message.ts";
import type { Sender, Told } from "./webhook.ts";

const ANSWER_WITHIN_MS = 15_000;
/** A person may be waiting for the result of a test. */
const MAIL_WITHIN_MS = 25_000;

/** Sends messages as one mail: of thirty hosts that fail at the same moment, nobody wants thirty mails. */
export async function sendMail(
  settings: MailSettings,
  target: { readonly address: string; readonly dropped: number },
  messages: readonly [Message, ...Message[]],
  { server, version }: Sender,
  { signal, withinMs = ANSWER_WITHIN_MS }: { readonly signal: AbortSignal; readonly withinMs?: number },
): Promise<Told> {
  const [first] = messages;
  const stopped = aborted(AbortSignal.any([signal, AbortSignal.timeout(MAIL_WITHIN_MS)]));
  try {
    // Loaded when there is something to send: most starts of a server need none of it.
    const { createTransport } = await import("nodemailer");
    const transport = createTransport({
      host: settings.server,
      port: settings.port,
      secure: settings.security === "tls",
      requireTLS: settings.security === "starttls",
      ignoreTLS: settings.security === "none",
      connectionTimeout: withinMs,
      greetingTimeout: withinMs,
      socketTimeout: withinMs,
      // Only what we say, never a file or a page that a text names.
      disableFileAccess: true,
      disableUrlAccess: true,
      ...(await authOf(settings)),
    });
    try {
      const more = messages.length > 1 ? ` (and ${messages.length - 1} more)` : "";
      const sent = transport.sendMail({
        from: { name: `bootcast on ${server}`, address: settings.from },
        to: target.address,
        subject: `${first.title}${more}`,
        // The same when it is sent again, so that mail programs show it once.
        messageId: `<${first.id}@bootcast.${server}>`,
        headers: { "auto-submitted": "auto-generated", "x-mailer": `bootcast ${version}` },
        text: mailText(messages, target.dropped),
      });
      await Promise.race([sent, stopped.promise]);
      return { isTold: true };
    } finally {
      transport.close();
    }
  } catch (error) {
    return notTold(error, settings);
  } finally {
    stopped.forget();
  }
}

/** Rejects when the signal is aborted. */
function aborted(signal: AbortSignal): { readonly promise: Promise<never>; forget(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const end = () => reject(signal.reason);
  if (signal.aborted) end();
  signal.addEventListener("abort", end);
  return { promise, forget: () => signal.removeEventListener("abort", end) };
}

async function authOf({ user, passwordFile }: MailSettings) {
  if (user === undefined) return {};
  const pass = passwordFile === undefined ? "" : (await readFile(passwordFile, "utf8")).replace(/\r?\n$/, "");
  return { auth: { user, pass } };
}

function mailText(messages: readonly Message[], dropped: number): string {
  const parts = messages.map(({ title, text, event }) => {
    const when = event === null ? "" : `${new Date(event.atMs).toISOString().slice(0, 19).replace("T", " ")} UTC\n`;
    return `${title}\n${when}${text === "" ? "" : `${text}\n`}`;
  });
  const missed =
    dropped > 0 ? [`${dropped} more messages came while you could not be told; they are in the log.\n`] : [];
  return [...parts, ...missed].join("\n");
}

function notTold(error: unknown, { server, port }: MailSettings): Told {
  const { code, responseCode, message } = error as NodeJS.ErrnoException & { responseCode?: number };
  const place = `${server}, port ${port}`;
  if (code === "EAUTH") {
    return told(
      "MAIL_LOGIN",
      `The mail server ${place} does not let us in.`,
      "Check mail.user and mail.password_file.",
    );
  }
  if (code === "ETLS" || /certificate/i.test(message)) {
    const fix = "Check mail.security; an authority of your own is trusted with NODE_EXTRA_CA_CERTS=FILE.";
    return told("MAIL_TLS", `The mail server ${place} does not speak TLS as it should.`, fix);
  }
  if (responseCode !== undefined) {
    // Five hundred and something is for ever, four hundred and something for now.
    const isRefused = responseCode >= 500;
    const fix = isRefused ? "Check mail.from and the addresses." : "It is tried again by itself.";
    return { ...told("MAIL_REFUSED", `The mail server ${place} did not take the mail.`, fix), isRefused };
  }
  return told("MAIL_UNREACHABLE", `The mail server ${place} could not be used.`, "Check mail.server and mail.port.");

  function told(faultCode: string, what: string, fix: string) {
    return {
      isTold: false,
      isRefused: false,
      fault: new Fault(faultCode, { what, why: oneLine(message), fix }, error),
    } as const;
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").slice(0, 300);
}
