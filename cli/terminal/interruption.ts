import { Fault } from "../../fault.ts";

/**
 * A signal that is aborted, with Fault INTERRUPTED, by Ctrl-C or by `kill`. A second Ctrl-C ends the process at once.
 *
 * @param what the sentence that the person then reads
 */
export function interruption(what = "The command was interrupted."): {
  readonly signal: AbortSignal;
  /** Calls `action` at the interruption, or at once when it was before: an aborted signal has no more events. */
  readonly whenReceived: (action: () => void) => void;
  readonly dispose: () => void;
} {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    dispose();
    controller.abort(
      new Fault("INTERRUPTED", {
        what,
        why: `It received ${name}.`,
        fix: "Start it again; it begins anew.",
      }),
    );
  };
  const dispose = () => {
    process.removeListener("SIGINT", onSignal);
    process.removeListener("SIGTERM", onSignal);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const { signal } = controller;
  const whenReceived = (action: () => void) => {
    if (signal.aborted) action();
    else signal.addEventListener("abort", action, { once: true });
  };
  return { signal, whenReceived, dispose };
}
