import type { Fault } from "../../fault.ts";
import type { Receiver } from "../../multicast/sender.ts";
import type { RunningStream, StreamEvent } from "../../server/stream/hub.ts";
import type { LanFinding } from "../../server/stream/lan-finding.ts";
import { outputOptions, print, say } from "../terminal/output.ts";
import { figuresLine } from "./figures.ts";

/** Says what happens while a stream runs: asr's lines and sentences for people, or one JSON object a line. */
export class StreamObserver {
  /** Why the stream had to end. */
  problem: Fault | undefined;
  readonly #stream: () => RunningStream;
  #waitShown = "";
  #timer: NodeJS.Timeout | undefined;

  /** @param stream asked for with the first event, when there is one */
  constructor(stream: () => RunningStream) {
    this.#stream = stream;
  }

  /** From now on the live figures come every `everyMs`: as a line of JSON, or for people while it streams. */
  start(everyMs: number): void {
    this.#timer = setInterval(() => this.#showFigures(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  onEvent(event: StreamEvent): void {
    this.#show(event);
    const waitingFor = event.type === "state" || event.type === "receiver" ? this.#stream().waitingFor : "";
    if (waitingFor !== "" && waitingFor !== this.#waitShown) say(`Waiting: ${waitingFor}.`);
    this.#waitShown = waitingFor;
  }

  #showFigures(): void {
    const figures = this.#stream().figures();
    if (outputOptions().json) print(JSON.stringify({ type: "figures", atMs: Date.now(), ...figures }));
    else if (figures.state === "streaming") say(figuresLine(figures));
  }

  #show(event: StreamEvent): void {
    switch (event.type) {
      case "state":
        if (event.state === "streaming") showLine(`Starting stream ${asrTime(new Date())}`);
        else say(`${event.state === "open" ? "Stream suspended" : "Stream ended"}: ${event.reason}.`);
        break;
      case "pass":
        say(`Pass ${event.pass} is over.`);
        break;
      case "receiver":
        say(receiverLine(event.receiver));
        break;
      case "lan":
        showFinding(event.finding);
        break;
      case "over":
        say(`Over: ${event.reason}.`);
        break;
      case "problem":
        this.problem = event.fault;
        break;
    }
  }
}

/** What was found in the network: for people what needs attention, for programs all. */
function showFinding(finding: LanFinding): void {
  if (outputOptions().json) print(JSON.stringify({ type: "network", atMs: Date.now(), ...finding }));
  else if (finding.status !== "ok") say(`Network: ${finding.detail} ${finding.fix ?? ""}`.trimEnd());
  else if (finding.probe === "group" || finding.probe === "guard") say(`Network: ${finding.detail}`);
}

/** A line on stdout as asr wrote it; with --json stdout is for JSON alone. */
export function showLine(text: string): void {
  const { json, quiet } = outputOptions();
  if (!json && !quiet) print(text);
}

function receiverLine({ name, state, aside, symbolsReceived, symbolsLost }: Receiver): string {
  if (state !== "done") return `${name}: ${aside?.why ?? state}`;
  const sent = symbolsReceived + symbolsLost;
  const percent = sent === 0 ? 0 : (symbolsLost / sent) * 100;
  return `${name}: done, ${percent.toFixed(2)} % of its packets were lost`;
}

/** "Tue May 31 05:09:31 2005", as asr and ctime(3) write it, in local time. */
function asrTime(time: Date): string {
  const [day = "", month = "", date = "", year = ""] = time.toDateString().split(" ");
  return `${day} ${month} ${date.replace(/^0/, " ")} ${time.toTimeString().slice(0, 8)} ${year}`;
}
