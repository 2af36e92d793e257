import { clientMac, type DhcpPacket, decodeDhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { type DeviceSocket, openDeviceSocket } from "../../server/dhcp/device-socket.ts";

/** What became of all the questions. */
export type LineResult = {
  /** Questions that must be answered, and on which try each was. */
  readonly questions: number;
  readonly firstTry: number;
  readonly secondTry: number;
  readonly later: number;
  readonly never: readonly string[];
  /** Questions that nobody may answer. */
  readonly silent: number;
  /** Answers that the machine could not use, or that nobody may give. At most 20 are told. */
  readonly wrong: readonly string[];
  readonly wrongCount: number;
  /** Answers that came more than once to one packet. */
  readonly repeated: number;
  /** Addresses that were offered and then refused; the machine begins again. */
  readonly refused: number;
  /** From a question's first packet to its answer, each. */
  readonly waitsMs: readonly number[];
  /** From the first question to the last answer. */
  readonly spanMs: number;
};

type Question = {
  readonly mac: string;
  readonly what: string;
  /** Why an answer is not the right one; undefined when it is. Without it nobody may answer. */
  readonly check: ((answer: DhcpPacket) => string | undefined) | undefined;
  readonly resolve: (answer: DhcpPacket | undefined) => void;
  readonly startedAtMs: number;
  tries: number;
  answers: number;
};

/**
 * The cable of a room full of machines: one socket for each port that firmware uses. Answers find their question by
 * the exchange number, because many are broadcast.
 */
export class Line {
  readonly #server: string;
  readonly #sockets = new Map<number, DeviceSocket>();
  readonly #questions = new Map<number, Question>();
  readonly #never: string[] = [];
  readonly #wrong: string[] = [];
  readonly #waitsMs: number[] = [];
  readonly #byTry = [0, 0, 0];
  #lastXid = 0;
  #asked = 0;
  #silent = 0;
  #wrongCount = 0;
  #repeated = 0;
  #refused = 0;
  #firstAtMs = Number.POSITIVE_INFINITY;
  #lastAtMs = 0;

  private constructor(server: string) {
    this.#server = server;
  }

  /** @param address our own address on `device`; `server` is the one whose answers count */
  static async open(device: string, address: string, server: string): Promise<Line> {
    const line = new Line(server);
    for (const port of [68, 4011]) {
      const socket = await openDeviceSocket({
        device,
        address,
        port,
        onPacket: (bytes, source) => line.#heard(bytes, source, port),
        onError: (error) => line.#complain(`the socket on port ${port}: ${error.message}`),
      });
      line.#sockets.set(port, socket);
    }
    return line;
  }

  /** A number for one exchange; packets of it are told apart from all others by it. */
  nextXid(): number {
    this.#lastXid += 1;
    return this.#lastXid;
  }

  /**
   * Asks until the right answer comes.
   *
   * @param waitsMs how long firmware waits after each of its tries
   * @returns undefined when it gave up
   */
  ask(
    question: { readonly mac: string; readonly xid: number; readonly what: string },
    bytes: Uint8Array,
    waitsMs: readonly number[],
    check: (answer: DhcpPacket) => string | undefined,
    port: 67 | 4011 = 67,
  ): Promise<DhcpPacket | undefined> {
    this.#asked += 1;
    return new Promise((resolve) => {
      const startedAtMs = performance.now();
      this.#firstAtMs = Math.min(this.#firstAtMs, startedAtMs);
      let timer: NodeJS.Timeout | undefined;
      const open: Question = {
        ...question,
        check,
        startedAtMs,
        tries: 0,
        answers: 0,
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
      };
      this.#questions.set(question.xid, open);
      const next = () => {
        if (open.tries === waitsMs.length) {
          this.#never.push(`${question.mac} ${question.what}`);
          resolve(undefined);
          return;
        }
        this.#send(bytes, port);
        timer = setTimeout(next, waitsMs[open.tries]);
        open.tries += 1;
      };
      next();
    });
  }

  /** Says something that this server must not answer. It stays forbidden until the end. */
  expectSilence(
    question: { readonly mac: string; readonly xid: number; readonly what: string },
    bytes: Uint8Array,
  ): void {
    this.#silent += 1;
    const startedAtMs = performance.now();
    this.#questions.set(question.xid, {
      ...question,
      check: undefined,
      resolve: () => {},
      startedAtMs,
      tries: 1,
      answers: 0,
    });
    this.#send(bytes, 67);
  }

  /** An offered address was refused after all. */
  noteRefusal(): void {
    this.#refused += 1;
  }

  async close(): Promise<LineResult> {
    await Promise.all([...this.#sockets.values()].map((socket) => socket.close()));
    const [firstTry, secondTry, later] = this.#byTry as [number, number, number];
    return {
      questions: this.#asked,
      firstTry,
      secondTry,
      later,
      never: this.#never,
      silent: this.#silent,
      wrong: this.#wrong,
      wrongCount: this.#wrongCount,
      repeated: this.#repeated,
      refused: this.#refused,
      waitsMs: this.#waitsMs,
      spanMs: this.#lastAtMs - this.#firstAtMs,
    };
  }

  #send(bytes: Uint8Array, port: 67 | 4011): void {
    const [from, address] = port === 67 ? [68, "255.255.255.255"] : [4011, this.#server];
    this.#sockets
      .get(from)
      ?.send(bytes, { address, port })
      .catch((error) => this.#complain(String(error)));
  }

  #heard(bytes: Uint8Array, source: { readonly address: string; readonly port: number }, on: number): void {
    const atMs = performance.now();
    const answer = decodeDhcpPacket(bytes);
    if (answer.op !== 2) return;
    const question = this.#questions.get(answer.xid);
    if (question === undefined) {
      this.#complain(`an answer to nobody's question, exchange ${answer.xid}`);
      return;
    }
    const from = on === 68 ? 67 : 4011;
    const why =
      source.address !== this.#server || source.port !== from
        ? `it came from ${source.address}:${source.port}`
        : clientMac(answer) !== question.mac
          ? `it is for ${clientMac(answer)}`
          : question.check === undefined
            ? "nobody may answer that"
            : question.check(answer);
    if (why !== undefined) {
      this.#complain(`${question.mac} ${question.what}: ${why}`);
      return;
    }
    question.answers += 1;
    if (question.answers > 1) {
      // An answer to each try is right: the first one was only late.
      if (question.answers > question.tries) this.#repeated += 1;
      return;
    }
    this.#lastAtMs = atMs;
    this.#waitsMs.push(atMs - question.startedAtMs);
    this.#byTry[Math.min(2, question.tries - 1)]! += 1;
    question.resolve(answer);
  }

  #complain(what: string): void {
    this.#wrongCount += 1;
    if (this.#wrong.length < 20) this.#wrong.push(what);
  }
}
