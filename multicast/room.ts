import { Alone } from "./alone.ts";
import { RequestLimit } from "./request-limit.ts";
import { type Receiver, type ReceiverReport, type ReceiverState, Roster, signerOf } from "./roster.ts";
import { SlowPace } from "./slow-pace.ts";
import { FLOOR_LOSS, Stragglers } from "./stragglers.ts";

/** A receiver that has not reported for so long is lost, and how everybody is served is looked at so often. */
const LOOK_EVERY_MS = 1_000;
/** When even the best host of a room loses so much, the rate is not one for this room. */
const ROOM_LOSS = 0.4;

/** The receivers of one stream, who of them is served now, and at what pace. Times are the caller's milliseconds. */
export class Room {
  readonly #roster = new Roster();
  readonly #stragglers = new Stragglers();
  readonly #slowPace = new SlowPace();
  readonly #alone: Alone;
  readonly #requestLimit = new RequestLimit();
  readonly #isRestByUnicast: boolean;
  readonly #wireBytes: number;
  #lookAt = 0;
  #isStreaming = false;
  /** Who the pace goes by; undefined while nobody is served. */
  #best: string | undefined;
  #areStragglersServed = false;

  /**
   * @param isRestByUnicast the stream has one pass: who is slow then gets the rest by unicast
   * @param wireBytes a datagram of the stream with all its headers
   * @param isOneByUnicast a receiver that is alone is not served by the group
   */
  constructor(isRestByUnicast: boolean, wireBytes: number, isOneByUnicast = false) {
    this.#alone = new Alone(isOneByUnicast);
    this.#isRestByUnicast = isRestByUnicast;
    this.#wireBytes = wireBytes;
  }

  get receivers(): readonly Receiver[] {
    return this.#roster.receivers;
  }

  get size(): number {
    return this.#roster.size;
  }

  /** Receivers that are not finished. */
  get active(): number {
    return this.#roster.active;
  }

  /** Most bytes a second that those who are served now can take, all headers counted; Infinity: not known to be few. */
  get rateCeilingBytesPerSecond(): number {
    return this.#slowPace.ceiling;
  }

  count(...states: readonly ReceiverState[]): number {
    return this.#roster.count(...states);
  }

  get(id: string): Receiver | undefined {
    return this.#roster.get(id);
  }

  /** Undefined when it is full. */
  join(who: Pick<Receiver, "id" | "name" | "hostId" | "packsTotal">, now: number): Receiver | undefined {
    const receiver = this.#roster.join(who, now);
    this.#alone.onJoin(this.#roster.active);
    // How the one is served that was alone so far.
    if (this.#isStreaming) this.#lookAt = 0;
    return receiver;
  }

  /** The only receiver is served by unicast: the group needs nothing. */
  get isOneByUnicast(): boolean {
    return this.#alone.isNow;
  }

  /** The stream has started, or waits again. */
  onState(isStreaming: boolean): void {
    this.#isStreaming = isStreaming;
    this.#alone.begin();
    this.#lookAt = 0;
  }

  /** The receiver before and after its word; undefined when there is no such receiver. */
  report(id: string, report: ReceiverReport, now: number): { before: Receiver; receiver: Receiver } | undefined {
    const change = this.#roster.report(id, report, now);
    if (change === undefined) return undefined;
    if (this.isActive(id)) this.#stragglers.onReport(id, report, now);
    else this.#stragglers.forget(id);
    return change;
  }

  isActive(id: string): boolean {
    return this.#roster.activeSigner(signerOf(id)) !== undefined;
  }

  /**
   * Whether a request that is signed so is answered now.
   *
   * @param blocks that it names
   * @param addressOf a receiver, by its id: those of one address are heard as one
   */
  hears(signer: string, blocks: number, now: number, addressOf: (id: string) => string): boolean {
    const receiver = this.#roster.activeSigner(signer);
    if (receiver === undefined || !isServed(receiver)) return false;
    return this.#requestLimit.isHeard(addressOf(receiver.id), blocks, now);
  }

  /** The receivers that are lost, or served in another way, from now on. */
  look(now: number): readonly Receiver[] {
    if (now < this.#lookAt) return [];
    this.#lookAt = now + LOOK_EVERY_MS;
    this.#requestLimit.forgetPaid(now);
    const lost = this.#roster.loseSilent(now);
    for (const { id } of lost) this.#stragglers.forget(id);
    const active = this.#roster.actives();
    const alone = this.#isStreaming ? this.#alone.judge(active, now) : undefined;
    const judged =
      alone === undefined
        ? this.#stragglers.judge(active, now, this.#isRestByUnicast)
        : new Map(active.map(({ id }) => [id, alone]));
    const changed = [...judged].flatMap(([id, aside]) => {
      const receiver = this.#roster.get(id)!;
      return receiver.aside?.why === aside?.why ? [] : [this.#roster.setAside(receiver, aside)];
    });
    this.#lookAtPace(now);
    return [...lost, ...changed];
  }

  #lookAtPace(now: number): void {
    const served = this.#roster.actives().filter(isServed);
    const areStragglers = served.length > 0 && served.every(({ aside }) => aside !== undefined);
    if (served.length === 0 || areStragglers !== this.#areStragglersServed) this.#slowPace.reset();
    this.#areStragglersServed = areStragglers;
    // The same one as before while it is there: another one's loss says nothing about the last step.
    if (!served.some(({ id }) => id === this.#best)) {
      this.#best = undefined;
      for (const { id } of served) if (this.#receivedOf(id) > this.#receivedOf(this.#best)) this.#best = id;
      this.#slowPace.onOther();
    }
    const lossShare = this.#best === undefined ? undefined : this.#stragglers.lossOf(this.#best);
    if (lossShare === undefined) return;
    const receivedBytesPerSecond = this.#receivedOf(this.#best) * this.#wireBytes;
    this.#slowPace.look({ lossShare, receivedBytesPerSecond }, areStragglers ? FLOOR_LOSS : ROOM_LOSS, now);
  }

  #receivedOf(id: string | undefined): number {
    return id === undefined ? 0 : this.#stragglers.receivedPerSecondOf(id);
  }
}

/** Whether the group is for it now. */
function isServed({ aside }: Receiver): boolean {
  return aside === undefined || aside.way === "slower";
}
