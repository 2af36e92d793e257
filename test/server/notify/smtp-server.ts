import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { createSecureContext, type SecureContextOptions, TLSSocket } from "node:tls";

export type Mail = { readonly from: string; readonly to: readonly string[]; readonly lines: readonly string[] };

const anyPort = { port: 0, host: "127.0.0.1" };

/** A mail server, on loopback unless told, that keeps what it is given (RFC 5321), and answers some commands as the test says. */
export class SmtpServer {
  readonly mails: Mail[] = [];
  /** What it was told, one line each, without the mails' own lines. */
  readonly commands: string[] = [];
  /** Called for each mail that is kept. */
  heard: (mail: Mail) => void = () => undefined;
  /** Answers by the command's first word, instead of the usual one. */
  readonly answers = new Map<string, string>();
  readonly #server: Server;

  private constructor(tls: SecureContextOptions | undefined) {
    this.#server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write("220 mail.example ready\r\n");
      this.#talk(socket, tls);
    });
  }

  /** @param tls its key and certificate, when it is to offer STARTTLS */
  #talk(socket: Socket, tls: SecureContextOptions | undefined): void {
    let from = "";
    let to: string[] = [];
    let lines: string[] | undefined;
    const say = (text: string) => socket.write(`${text}\r\n`);
    const reader = createInterface({ input: socket });
    // Whoever does not like what it hears hangs up.
    reader.on("error", () => undefined);
    reader.on("line", (line) => {
      if (lines !== undefined) {
        if (line !== ".") {
          lines.push(line.replace(/^\./, ""));
          return;
        }
        const answer = this.answers.get("END");
        if (answer === undefined) {
          const mail = { from, to, lines };
          this.mails.push(mail);
          this.heard(mail);
        }
        lines = undefined;
        say(answer ?? "250 kept");
        return;
      }
      this.commands.push(line);
      const [word = ""] = line.toUpperCase().split(/[ :]/);
      const [, address = ""] = /<(.*?)>/.exec(line) ?? [];
      const answer = this.answers.get(word);
      if (answer !== undefined) {
        say(answer);
      } else if (word === "EHLO") {
        say(`250-mail.example${tls === undefined ? "" : "\r\n250-STARTTLS"}\r\n250 AUTH PLAIN`);
      } else if (word === "STARTTLS" && tls !== undefined) {
        reader.close();
        say("220 go on");
        const secured = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(tls) });
        secured.on("error", () => undefined);
        this.#talk(secured, undefined);
      } else if (word === "MAIL") {
        [from, to] = [address, []];
        say("250 go on");
      } else if (word === "RCPT") {
        to.push(address);
        say("250 go on");
      } else if (word === "DATA") {
        lines = [];
        say("354 end with a dot");
      } else if (word === "AUTH") {
        say("235 welcome");
      } else if (word === "QUIT") {
        say("221 bye");
        socket.end();
      } else {
        say("502 unknown");
      }
    });
  }

  static async start(
    tls?: SecureContextOptions,
    where: { readonly port: number; readonly host?: string } = anyPort,
  ): Promise<SmtpServer> {
    const smtp = new SmtpServer(tls);
    smtp.#server.listen(where);
    await once(smtp.#server, "listening");
    return smtp;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
  }
}
